//! Stands for the expression types until they are merged.

#[derive(Clone, Debug)]
pub struct Expr;

#[derive(Clone, Debug)]
pub struct Template;
