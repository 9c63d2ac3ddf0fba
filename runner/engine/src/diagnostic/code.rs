//! The one list of codes. A code is durable: it may be added, never renamed, and each has a page in `schemas/errors`.

use std::fmt;

macro_rules! codes {
    ($($variant:ident = $name:literal,)*) => {
        /// The name of a kind of finding, `unknown-action`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($variant,)* }

        impl Code {
            /// Every code there is, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its page, in Markdown: what happened, likely causes, what to do.
            pub fn page(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../../../../schemas/errors/", $name, ".md")),)*
                }
            }
        }
    };
}

codes! {
    // The file as text and as YAML.
    FileTooLarge = "file-too-large",
    NotUtf8 = "not-utf8",
    EmptyFile = "empty-file",
    YamlSyntax = "yaml-syntax",
    TabIndent = "tab-indent",
    TooDeep = "too-deep",
    SeveralDocuments = "several-documents",
    NoAnchors = "no-anchors",
    NoTags = "no-tags",
    DuplicateKey = "duplicate-key",
    KeyNotText = "key-not-text",
    TooManyErrors = "too-many-errors",
    // The shape of runbook and inventory.
    UnknownKey = "unknown-key",
    MissingKey = "missing-key",
    WrongType = "wrong-type",
    BadValue = "bad-value",
    BadName = "bad-name",
    BadDuration = "bad-duration",
    StepKind = "step-kind",
    DuplicateId = "duplicate-id",
    NotYet = "not-yet",
    // Names that must exist.
    UndefinedName = "undefined-name",
    UnknownAction = "unknown-action",
    UnknownGate = "unknown-gate",
    NoRunbook = "no-runbook",
    UnknownSecret = "unknown-secret",
    UngrantedSecret = "ungranted-secret",
    UnknownRunbook = "unknown-runbook",
    // Runbooks that call runbooks.
    CallDepth = "call-depth",
    NotCallable = "not-callable",
    // Expressions and the values they give.
    BadExpression = "bad-expression",
    UnknownFilter = "unknown-filter",
    TypeMismatch = "type-mismatch",
    MayBeMissing = "may-be-missing",
    MayNotFit = "may-not-fit",
    SecretMisused = "secret-misused",
    SecretInPlainText = "secret-in-plain-text",
    // `with` against the action's schema.
    UnknownField = "unknown-field",
    MissingField = "missing-field",
    BadField = "bad-field",
    InventoryWrittenOut = "inventory-written-out",
    // What a runbook may ask for.
    GateWithoutVerdict = "gate-without-verdict",
    GateMustRead = "gate-must-read",
    NeverPasses = "never-passes",
    NextByMustRead = "next-by-must-read",
    ClassRaised = "class-raised",
    EffectLowered = "effect-lowered",
    RetryNotSafe = "retry-not-safe",
    ChangeNotIdempotent = "change-not-idempotent",
    DestroyWithoutGate = "destroy-without-gate",
    DestroyWithoutLock = "destroy-without-lock",
    DestroyWithoutConfirm = "destroy-without-confirm",
    ConfirmMisplaced = "confirm-misplaced",
    ConfirmTooEarly = "confirm-too-early",
    DestroyNotYet = "destroy-not-yet",
    NotInFinally = "not-in-finally",
    UnusedInput = "unused-input",
    UnusedDefault = "unused-default",
    // Values given for inputs.
    UnknownInput = "unknown-input",
    MissingInput = "missing-input",
    BadInput = "bad-input",
}

impl Code {
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/errors");
        let mut pages: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        pages.sort();
        let mut codes: Vec<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
        codes.sort();
        assert_eq!(pages, codes);
    }

    #[test]
    fn every_page_says_what_happened_why_and_what_to_do() {
        for code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("# {code}\n")), "{code}: the title");
            for part in ["\n## What happened\n", "\n## Likely causes\n", "\n## What to do\n"] {
                assert!(page.contains(part), "{code}: {part}");
            }
        }
    }

    #[test]
    fn a_code_is_found_by_its_name() {
        assert_eq!(Code::parse("unknown-key"), Some(Code::UnknownKey));
        assert_eq!(Code::parse("UnknownKey"), None);
    }
}
