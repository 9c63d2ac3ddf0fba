//! A file of HCL read for one purpose: to find the bytes of one value, and to be sure that nothing else was touched.
//!
//! The parser only says where something stands. A whole file is never printed from what was parsed, since that would
//! change line ends and escapes elsewhere. Nothing here knows an action or an input.

mod outline;
mod place;
mod quote;
mod source;

pub(crate) use outline::same_but;
pub(crate) use place::Place;
pub(crate) use quote::quoted;
pub(crate) use source::{Source, is_one_expression, line_at};
