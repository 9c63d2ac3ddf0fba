//! From a function with types to an action with schemas.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_plugin::{
    Abilities, Action, ActionName, ActionSpec, ByHand, Call, Effect, Example, GateClass, Host, Outcome, PluginName,
    Preview, Problem, Reconciled, Verdict, schema, typed,
};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

type Commands = Box<dyn Fn(&Call) -> Vec<ByHand> + Send + Sync>;

type Doing<T> = Box<dyn for<'a> Fn(&'a dyn Host, &'a Call) -> Answer<'a, T> + Send + Sync>;

/// An `async fn(&dyn Host, In) -> Result<Out, Problem>`.
pub trait Function<'a, In, Out>: Send + Sync {
    fn call(&self, host: &'a dyn Host, input: In) -> impl Future<Output = Result<Out, Problem>> + Send + 'a;
}

impl<'a, F, In, Out, Doing> Function<'a, In, Out> for F
where
    F: Fn(&'a dyn Host, In) -> Doing + Send + Sync,
    Doing: Future<Output = Result<Out, Problem>> + Send + 'a,
{
    fn call(&self, host: &'a dyn Host, input: In) -> impl Future<Output = Result<Out, Problem>> + Send + 'a {
        self(host, input)
    }
}

/// What a gate says: its output, and the one sentence why.
pub struct Judged<Out> {
    pub output: Out,
    pub verdict: Verdict,
    pub why: String,
}

/// One action, not yet part of a plugin.
pub struct TypedAction {
    operation: &'static str,
    summary: &'static str,
    effect: Effect,
    idempotent: bool,
    gate: Option<GateClass>,
    input: Value,
    output: Value,
    run: Doing<Outcome>,
    preview: Option<Doing<Preview>>,
    reconcile: Option<Doing<Reconciled>>,
    by_hand: Option<Commands>,
    examples: Vec<Example>,
}

/// An action that looks and changes nothing: GET, HEAD, and what was granted as reading.
pub fn read<In, Out, F>(operation: &'static str, summary: &'static str, run: F) -> TypedAction
where
    In: DeserializeOwned + JsonSchema + Send + 'static,
    Out: Serialize + JsonSchema + 'static,
    F: for<'a> Function<'a, In, Out> + 'static,
{
    TypedAction::new::<In, Out>(operation, summary, Effect::Read, plain(run))
}

/// A read that says pass, fail or inconclusive.
pub fn gate<In, Out, F>(operation: &'static str, summary: &'static str, class: GateClass, run: F) -> TypedAction
where
    In: DeserializeOwned + JsonSchema + Send + 'static,
    Out: Serialize + JsonSchema + 'static,
    F: for<'a> Function<'a, In, Judged<Out>> + 'static,
{
    let run = doing(run, |judged: Judged<Out>| {
        Ok(Outcome::judged(typed::output(&judged.output)?, judged.verdict, judged.why))
    });
    TypedAction { gate: Some(class), ..TypedAction::new::<In, Out>(operation, summary, Effect::Read, run) }
}

/// An action that writes what can be written back.
pub fn change<In, Out, F>(operation: &'static str, summary: &'static str, run: F) -> TypedAction
where
    In: DeserializeOwned + JsonSchema + Send + 'static,
    Out: Serialize + JsonSchema + 'static,
    F: for<'a> Function<'a, In, Out> + 'static,
{
    TypedAction { idempotent: false, ..TypedAction::new::<In, Out>(operation, summary, Effect::Change, plain(run)) }
}

/// An action that ends what does not come back by itself. A runbook asks a person before it, so it has to say beforehand
/// what it would do.
pub fn destroy<In, Out, F, P>(operation: &'static str, summary: &'static str, run: F, preview: P) -> TypedAction
where
    In: DeserializeOwned + JsonSchema + Send + 'static,
    Out: Serialize + JsonSchema + 'static,
    F: for<'a> Function<'a, In, Out> + 'static,
    P: for<'a> Function<'a, In, Preview> + 'static,
{
    let action = TypedAction::new::<In, Out>(operation, summary, Effect::Destroy, plain(run));
    TypedAction { idempotent: false, ..action }.preview(preview)
}

impl TypedAction {
    fn new<In: JsonSchema, Out: JsonSchema>(
        operation: &'static str,
        summary: &'static str,
        effect: Effect,
        run: Doing<Outcome>,
    ) -> Self {
        Self {
            operation,
            summary,
            effect,
            idempotent: true,
            gate: None,
            input: schema::of::<In>(),
            output: schema::of::<Out>(),
            run,
            preview: None,
            reconcile: None,
            by_hand: None,
            examples: Vec::new(),
        }
    }

    /// A `with` that works, and what comes of it: shown by `sluice actions`, tried by `sluice plugin test`.
    #[must_use]
    pub fn example(mut self, summary: &str, with: Value, output: Value) -> Self {
        self.examples.push(Example { summary: summary.to_owned(), with, output });
        self
    }

    /// Doing it twice is the same as doing it once: after a lost answer it is simply done again.
    #[must_use]
    pub fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    /// Says what the action would do, and writes nowhere.
    #[must_use]
    pub fn preview<In, F>(self, preview: F) -> Self
    where
        In: DeserializeOwned + Send + 'static,
        F: for<'a> Function<'a, In, Preview> + 'static,
    {
        Self { preview: Some(doing(preview, Ok)), ..self }
    }

    /// Looks whether it happened, where the answer was lost, and writes nowhere.
    #[must_use]
    pub fn reconcile<In, F>(self, reconcile: F) -> Self
    where
        In: DeserializeOwned + Send + 'static,
        F: for<'a> Function<'a, In, Reconciled> + 'static,
    {
        Self { reconcile: Some(doing(reconcile, Ok)), ..self }
    }

    /// The commands with which a person does the same, for `sluice plan --by-hand`.
    #[must_use]
    pub fn by_hand<In: DeserializeOwned>(self, commands: impl Fn(In) -> Vec<ByHand> + Send + Sync + 'static) -> Self {
        // A `with` that does not fit is refused elsewhere, in words.
        let by_hand = move |call: &Call| typed::input(&call.with).map(&commands).unwrap_or_default();
        Self { by_hand: Some(Box::new(by_hand)), ..self }
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    pub(crate) fn of(self, plugin: &PluginName) -> Box<dyn Action> {
        Box::new(Named { name: name(plugin, self.operation), action: self })
    }
}

struct Named {
    name: ActionName,
    action: TypedAction,
}

#[expect(clippy::panic, reason = "a constant of the plugin's author, and the first test shows it")]
fn name(plugin: &PluginName, operation: &str) -> ActionName {
    ActionName::parse(&format!("{plugin}.{operation}")).unwrap_or_else(|error| panic!("{error}"))
}

#[async_trait]
impl Action for Named {
    fn spec(&self) -> ActionSpec {
        let action = &self.action;
        ActionSpec {
            name: self.name.clone(),
            summary: action.summary.to_owned(),
            effect: action.effect,
            idempotent: action.idempotent,
            gate: action.gate,
            ephemeral: false,
            input: action.input.clone(),
            output: action.output.clone(),
            abilities: Abilities {
                check: false,
                preview: action.preview.is_some(),
                reconcile: action.reconcile.is_some(),
            },
            permissions: Vec::new(),
            examples: action.examples.clone(),
            revision: 1,
        }
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        (self.action.run)(host, call).await
    }

    async fn preview(&self, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        match &self.action.preview {
            Some(preview) => preview(host, call).await,
            None => Err(Problem::not_applied("no_preview", "this action cannot say beforehand what it would do")),
        }
    }

    async fn reconcile(&self, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        match &self.action.reconcile {
            Some(reconcile) => reconcile(host, call).await,
            None => Err(Problem::not_applied("no_reconcile", "this action cannot look whether it happened")),
        }
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        self.action.by_hand.as_ref().map(|commands| commands(call)).unwrap_or_default()
    }
}

fn plain<In, Out, F>(run: F) -> Doing<Outcome>
where
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + 'static,
    F: for<'a> Function<'a, In, Out> + 'static,
{
    doing(run, |output: Out| typed::output(&output).map(Outcome::plain))
}

fn doing<In, Out, T, F>(function: F, finish: fn(Out) -> Result<T, Problem>) -> Doing<T>
where
    In: DeserializeOwned + Send + 'static,
    Out: 'static,
    T: 'static,
    F: for<'a> Function<'a, In, Out> + 'static,
{
    let doing = Called { function, types: PhantomData::<fn(In) -> Out> };
    Box::new(move |host, call| {
        let input = typed::input(&call.with);
        // Begun here: what is waited for borrows the host, and nothing of this action.
        let begun = input.map(|input| doing.function.call(host, input));
        Box::pin(async move { finish(begun?.await?) })
    })
}

struct Called<F, T> {
    function: F,
    types: PhantomData<T>,
}
