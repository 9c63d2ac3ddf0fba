//! The keys of the language, once: the parser compares with them, the JSON Schema is made of them.

pub(super) const RUNBOOK: &[&str] = &[
    "runbook",
    "summary",
    "inputs",
    "lock",
    "confirm_once",
    "defaults",
    "steps",
    "finally",
    "outputs",
    "session",
    "triggers",
];

/// What a step may be; each has exactly one of them.
pub(super) const KINDS: &[&str] = &["uses", "gate", "steps", "parallel", "call"];

pub(super) const USE: &[&str] = &[
    "id",
    "summary",
    "uses",
    "with",
    "when",
    "needs",
    "for_each",
    "max_parallel",
    "next_by",
    "timeout",
    "retry",
    "on_error",
    "effect",
    "confirm",
];

pub(super) const GATE: &[&str] = &[
    "id",
    "summary",
    "gate",
    "with",
    "when",
    "needs",
    "for_each",
    "max_parallel",
    "next_by",
    "expect",
    "passes",
    "timeout",
    "on_error",
    "class",
];

pub(super) const GROUP: &[&str] = &[
    "id",
    "summary",
    "steps",
    "parallel",
    "when",
    "needs",
    "for_each",
    "max_parallel",
    "next_by",
    "on_error",
    "confirm",
];

pub(super) const CALL: &[&str] =
    &["id", "summary", "call", "with", "when", "needs", "for_each", "max_parallel", "next_by", "on_error"];

/// A step whose kind is not clear: everything that any step may have.
pub(super) const STEP: &[&str] = &[
    "id",
    "summary",
    "uses",
    "gate",
    "steps",
    "parallel",
    "call",
    "with",
    "when",
    "needs",
    "for_each",
    "max_parallel",
    "next_by",
    "expect",
    "passes",
    "timeout",
    "retry",
    "on_error",
    "effect",
    "class",
    "confirm",
];

pub(super) const EXPECT: &[&str] = &["that", "else"];

pub(super) const PASSES: &[&str] = &["consecutive", "for", "every", "within", "progress", "stalled", "fail_if"];

pub(super) const CONFIRM: &[&str] = &["typed", "answer_within", "valid_for"];

pub(super) const RETRY: &[&str] = &["attempts", "delay", "backoff"];

/// Of `next_by`, where it is a mapping.
pub(super) const NEXT_BY: &[&str] = &["uses", "with", "timeout", "retry", "by"];

pub(super) const OUTPUT: &[&str] = &["value", "type", "description"];

pub(super) const SESSION: &[&str] = &["summary", "command", "env", "banner"];

/// Of an input, and of the schemas inside it (those without `of`, `default` and `from_last`).
pub(super) const INPUT: &[&str] = &[
    "type",
    "of",
    "default",
    "from_last",
    "description",
    "enum",
    "const",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
];

pub(super) const SCHEMA: &[&str] = &[
    "type",
    "description",
    "enum",
    "const",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
];

/// Types that JSON has. `null` is left out: nobody can give it on a command line.
pub(super) const JSON_TYPES: &[&str] = &["string", "integer", "number", "boolean", "array", "object"];

/// Types that the inventory and the language add.
pub(super) const OWN_TYPES: &[&str] = &["cluster", "node", "nodes", "duration", "thresholds"];
