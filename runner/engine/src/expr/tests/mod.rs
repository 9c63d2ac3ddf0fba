//! Tables of expressions and what they give, over one small world, and properties over any.

mod evaluation;
mod parsing;
mod properties;
mod secrets;
mod typing;
mod world;

use super::Fault;

/// `Code |the text under the caret| message; hint`.
fn shown<Code: std::fmt::Debug>(text: &str, fault: &Fault<Code>) -> String {
    let under = &text[fault.span.start..fault.span.end];
    format!("{:?} |{under}| {fault}", fault.code)
}
