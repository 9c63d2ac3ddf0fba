//! The one file that knows minijinja: its tokens and its syntax tree (version pinned), lowered to ours. What Sluice
//! leaves out is refused here, with its place and what to write instead.
//!
//! Spans of minijinja's operators may begin at the token before, so spans of ours are made from those of the operands.

use minijinja::machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, Spanned, UnaryOpKind};
use minijinja::machinery::{self, Token};
use minijinja::value::ValueKind;
use serde_json::{Number, Value};

use super::arguments::{self, Argument};
use super::fault::{Cause, ParseCode, ParseError, Span};
use super::tree::{Arithmetic, Comparison, Expr, Key, Kind, Part, Path};

/// Bytes of one expression.
pub const MAX_EXPRESSION: usize = 4096;
/// Levels of our tree.
pub const MAX_DEPTH: usize = 64;
/// Open brackets at one place. minijinja parses them by recursion, a dozen calls a level.
const MAX_BRACKETS: usize = 24;
/// `not`, `-` and `else` recurse in minijinja without a limit.
const MAX_PREFIXES: usize = 64;

type Parsed<T> = Result<T, ParseError>;

/// Parses what stands in `when:`, `that:`, `for_each:` and between `{{ }}`.
pub fn parse(text: &str) -> Parsed<Expr> {
    parse_at(text, 0)
}

/// As [`parse`], with spans counted from `offset` bytes before the text.
pub(super) fn parse_at(text: &str, offset: usize) -> Parsed<Expr> {
    let moved = |error: ParseError| ParseError { span: error.span.shifted(offset), ..error };
    check_size(text).map_err(moved)?;
    let tree = machinery::parse_expr(text).map_err(|error| moved(syntax_error(&error, text)))?;
    Lower { text, offset, depth: 0 }.expr(&tree)
}

/// Where the expression that starts `text` ends, and where the text after its `}}` begins. `None` if it never ends.
pub(super) fn find_end(text: &str) -> Parsed<Option<(usize, usize)>> {
    for token in machinery::tokenize(text, true, Default::default()) {
        let (token, span) = token.map_err(|error| syntax_error(&error, text))?;
        if matches!(token, Token::VariableEnd) {
            return end_at(text, Span::new(span.start_offset as usize, span.end_offset as usize)).map(Some);
        }
    }
    Ok(None)
}

fn end_at(text: &str, end: Span) -> Parsed<(usize, usize)> {
    if text.get(end.start..end.end) == Some("}}") {
        return Ok((end.start, end.end));
    }
    let message = "white space is not trimmed by `-` or `+` at `}}`";
    Err(ParseError::new(ParseCode::NotAllowed, end, message).hint("write ` }}`"))
}

/// Refuses what would send minijinja, or us, too deep.
fn check_size(text: &str) -> Parsed<()> {
    if text.trim().is_empty() {
        return Err(ParseError::new(ParseCode::Syntax, Span::new(0, text.len()), "there is no expression"));
    }
    if text.trim_start().starts_with("{{") {
        let span = Span::new(0, text.len());
        return Err(ParseError::new(ParseCode::NotAllowed, span, "`{{` stands inside an expression")
            .hint("leave out the `{{` and `}}`: names stand as they are"));
    }
    if text.len() > MAX_EXPRESSION {
        let message = format!("an expression may have {MAX_EXPRESSION} bytes, and this has {}", text.len());
        return Err(ParseError::new(ParseCode::TooLarge, Span::new(0, text.len()), message).hint("use more steps"));
    }
    let (mut brackets, mut prefixes) = (0_usize, 0_usize);
    for (token, span) in machinery::tokenize(text, true, Default::default()).map_while(Result::ok) {
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => brackets += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => brackets = brackets.saturating_sub(1),
            Token::Minus | Token::Ident("not" | "else") => prefixes += 1,
            _ => {}
        }
        if brackets > MAX_BRACKETS || prefixes > MAX_PREFIXES {
            return Err(too_deep(Span::new(span.start_offset as usize, span.end_offset as usize)));
        }
    }
    Ok(())
}

fn too_deep(span: Span) -> ParseError {
    ParseError::new(ParseCode::TooLarge, span, "the expression is nested too deeply").hint("use more steps")
}

fn syntax_error(error: &minijinja::Error, text: &str) -> ParseError {
    let range = error.range().unwrap_or(0..text.len());
    let span = on_boundaries(text, range.start, range.end);
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Cause::new(ParseCode::Syntax, message).maybe_hint(hint_for(text, span).map(str::to_owned)).at(span)
}

/// What those who write other languages meant.
fn hint_for(text: &str, span: Span) -> Option<&'static str> {
    let found = text.get(span.start..)?.trim_start();
    let hints = [
        ("&", "write `and`"),
        ("|", "write `or`; a single `|` is followed by the name of a filter"),
        ("!", "write `not`"),
        ("?", "write `a if condition else b`"),
        ("$", "names stand as they are: `inputs.name`"),
        ("=", "`==` compares"),
    ];
    hints.into_iter().find(|(start, _)| found.starts_with(start)).map(|(_, hint)| hint)
}

/// minijinja may point behind the end, or into a character. A caret needs a character to stand under.
fn on_boundaries(text: &str, start: usize, end: usize) -> Span {
    let start = text.floor_char_boundary(start.min(text.len().saturating_sub(1)));
    Span::new(start, text.ceil_char_boundary(end.max(start + 1)))
}

struct Lower<'t> {
    text: &'t str,
    offset: usize,
    depth: usize,
}

impl Lower<'_> {
    fn expr(&mut self, tree: &ast::Expr<'_>) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep(self.span(tree.span())));
        }
        let lowered = self.any(tree);
        self.depth -= 1;
        lowered
    }

    fn any(&mut self, tree: &ast::Expr<'_>) -> Parsed<Expr> {
        match tree {
            ast::Expr::Var(var) => Ok(self.name(var)),
            ast::Expr::Const(constant) => self.literal(constant),
            ast::Expr::UnaryOp(op) => self.unary(op),
            ast::Expr::BinOp(op) => self.binary(op),
            ast::Expr::Compare(compare) => self.chain(compare),
            ast::Expr::IfExpr(choice) => self.choice(choice),
            ast::Expr::Filter(filter) => self.filter(filter),
            ast::Expr::Test(test) => self.test(test),
            ast::Expr::GetAttr(access) => self.attribute(access),
            ast::Expr::GetItem(access) => self.item(access),
            ast::Expr::List(list) => self.list(list),
            ast::Expr::Map(map) => self.map(map),
            ast::Expr::Tuple(tuple) => self.refuse(tuple.span(), "tuples are not supported", "write a list: `[a, b]`"),
            ast::Expr::Slice(slice) => {
                self.refuse(slice.span(), "slices are not supported", "use one index, `| first` or `| last`")
            }
            ast::Expr::Call(call) => self.call(call),
        }
    }

    fn name(&self, var: &Spanned<ast::Var<'_>>) -> Expr {
        let span = self.span(var.span());
        let path = Path { root: var.id.to_owned(), root_span: span, parts: Vec::new() };
        Expr { kind: Kind::Path(path), span }
    }

    fn literal(&self, constant: &Spanned<ast::Const>) -> Parsed<Expr> {
        let span = self.span(constant.span());
        match json(&constant.value) {
            Some(value) => Ok(Expr { kind: Kind::Literal(value), span }),
            None => Err(ParseError::new(ParseCode::TooLarge, span, "the number is too large")),
        }
    }

    fn unary(&mut self, op: &Spanned<ast::UnaryOp<'_>>) -> Parsed<Expr> {
        let operand = self.expr(&op.expr)?;
        let start = self.span(op.span());
        let sign = self.text.get(op.span().start_offset as usize..).unwrap_or_default();
        // `a not in b` and `a is not defined` come as `not (...)`, with a span that begins elsewhere.
        let span = if sign.starts_with(['n', '-']) { start.to(operand.span) } else { operand.span };
        let operand = Box::new(operand);
        let kind = match op.op {
            UnaryOpKind::Neg => Kind::Negate(operand),
            UnaryOpKind::Not => Kind::Not(operand),
        };
        Ok(Expr { kind, span })
    }

    fn binary(&mut self, op: &Spanned<ast::BinOp<'_>>) -> Parsed<Expr> {
        let left = self.expr(&op.left)?;
        let right = self.expr(&op.right)?;
        let span = self.bracketed(left.span.to(right.span), op.span());
        Ok(Expr { kind: binary_kind(op.op, left, right), span })
    }

    fn chain(&mut self, compare: &Spanned<ast::Compare<'_>>) -> Parsed<Expr> {
        let first = Box::new(self.expr(&compare.expr)?);
        let mut span = first.span;
        let mut rest = Vec::with_capacity(compare.ops.len());
        for op in &compare.ops {
            let operand = self.expr(&op.expr)?;
            span = span.to(operand.span);
            rest.push((comparison(op.op), operand));
        }
        Ok(Expr { kind: Kind::Compare { first, rest }, span: self.bracketed(span, compare.span()) })
    }

    fn choice(&mut self, choice: &Spanned<ast::IfExpr<'_>>) -> Parsed<Expr> {
        let Some(no) = &choice.false_expr else {
            return self.refuse(
                choice.span(),
                "an `if` in an expression needs an `else`",
                "write `a if condition else b`",
            );
        };
        let yes = Box::new(self.expr(&choice.true_expr)?);
        let condition = Box::new(self.expr(&choice.test_expr)?);
        let no = Box::new(self.expr(no)?);
        let span = self.bracketed(yes.span.to(no.span), choice.span());
        Ok(Expr { kind: Kind::If { condition, yes, no }, span })
    }

    fn filter(&mut self, tree: &Spanned<ast::Filter<'_>>) -> Parsed<Expr> {
        let span = self.span(tree.span());
        let name = Span::new(span.start, span.start + tree.name.len());
        let Some(input) = &tree.expr else {
            return Err(ParseError::new(ParseCode::NotAllowed, span, "a filter needs a value before it"));
        };
        let input = Box::new(self.expr(input)?);
        let filter = arguments::filter(tree.name, name)?;
        let args = self.arguments(&tree.args, span)?;
        let args = arguments::bind(filter, args, name)?;
        let span = self.bracketed(input.span, tree.span());
        Ok(Expr { kind: Kind::Filter { filter, input, args }, span })
    }

    fn arguments(&mut self, args: &[CallArg<'_>], span: Span) -> Parsed<Vec<Argument>> {
        args.iter().map(|arg| self.argument(arg, span)).collect()
    }

    fn argument(&mut self, arg: &CallArg<'_>, span: Span) -> Parsed<Argument> {
        match arg {
            CallArg::Pos(value) => Ok(Argument { name: None, value: self.expr(value)? }),
            CallArg::Kwarg(name, value) => Ok(Argument { name: Some((*name).to_owned()), value: self.expr(value)? }),
            CallArg::PosSplat(_) | CallArg::KwargSplat(_) => {
                Err(ParseError::new(ParseCode::NotAllowed, span, "`*` and `**` are not supported in arguments"))
            }
        }
    }

    fn test(&mut self, tree: &Spanned<ast::Test<'_>>) -> Parsed<Expr> {
        let span = self.span(tree.span());
        let name = Span::new(span.start, span.start + tree.name.len());
        let input = Box::new(self.expr(&tree.expr)?);
        let test = arguments::test(tree.name, name)?;
        if !tree.args.is_empty() {
            return Err(ParseError::new(
                ParseCode::BadArguments,
                span,
                format!("`is {}` takes nothing after it", test.name()),
            )
            .hint("join conditions by `and` or `or`, with brackets around each"));
        }
        let span = self.bracketed(input.span, tree.span());
        Ok(Expr { kind: Kind::Test { test, input }, span })
    }

    fn attribute(&mut self, access: &Spanned<ast::GetAttr<'_>>) -> Parsed<Expr> {
        let base = self.expr(&access.expr)?;
        let end = self.span(access.span()).end;
        let span = Span::new(end.saturating_sub(access.name.len()), end);
        let whole = self.bracketed(base.span, access.span());
        Ok(access_by(base, Part { key: Key::Name(access.name.to_owned()), span }, whole))
    }

    fn item(&mut self, access: &Spanned<ast::GetItem<'_>>) -> Parsed<Expr> {
        let base = self.expr(&access.expr)?;
        let whole = self.bracketed(base.span, access.span());
        let index = self.expr(&access.subscript_expr)?;
        if let Some(key) = constant_key(&index)? {
            return Ok(access_by(base, Part { key, span: index.span }, whole));
        }
        Ok(Expr { kind: Kind::Item { base: Box::new(base), index: Box::new(index) }, span: whole })
    }

    fn list(&mut self, list: &Spanned<ast::List<'_>>) -> Parsed<Expr> {
        let items = list.items.iter().map(|item| self.expr(item)).collect::<Parsed<_>>()?;
        Ok(Expr { kind: Kind::List(items), span: self.span(list.span()) })
    }

    fn map(&mut self, map: &Spanned<ast::Map<'_>>) -> Parsed<Expr> {
        let mut fields: Vec<(String, Expr)> = Vec::with_capacity(map.keys.len());
        for (key, value) in map.keys.iter().zip(&map.values) {
            let key = self.expr(key)?;
            let name = arguments::field_name(&key, &fields)?;
            fields.push((name, self.expr(value)?));
        }
        Ok(Expr { kind: Kind::Map(fields), span: self.span(map.span()) })
    }

    fn call(&self, call: &Spanned<ast::Call<'_>>) -> Parsed<Expr> {
        let name = match &call.expr {
            ast::Expr::Var(var) => var.id,
            ast::Expr::GetAttr(access) => access.name,
            _ => "",
        };
        let hint = match arguments::filter(name, Span::default()) {
            Ok(filter) => format!("write it as a filter: `... | {}`", filter.name),
            Err(_) => "there are filters only: `value | name`".to_owned(),
        };
        self.refuse(call.span(), "nothing can be called in an expression", &hint)
    }

    fn refuse(&self, span: machinery::Span, message: &str, hint: &str) -> Parsed<Expr> {
        Err(ParseError::new(ParseCode::NotAllowed, self.span(span), message).hint(hint))
    }

    /// From the operands to the end that minijinja gives, with the opening brackets of what is closed in between.
    fn bracketed(&self, operands: Span, whole: machinery::Span) -> Span {
        let end = operands.end.max(self.span(whole).end);
        let mut start = operands.start - self.offset;
        let inside = self.text.get(start..end - self.offset).unwrap_or_default();
        let mut open = inside.matches(')').count().saturating_sub(inside.matches('(').count());
        for (place, before) in self.text.get(..start).unwrap_or_default().char_indices().rev() {
            match before {
                '(' if open > 0 => (open, start) = (open - 1, place),
                before if open > 0 && before.is_whitespace() => {}
                _ => break,
            }
        }
        Span::new(start + self.offset, end)
    }

    fn span(&self, span: machinery::Span) -> Span {
        on_boundaries(self.text, span.start_offset as usize, span.end_offset as usize).shifted(self.offset)
    }
}

fn binary_kind(op: BinOpKind, left: Expr, right: Expr) -> Kind {
    let (left, right) = (Box::new(left), Box::new(right));
    let arithmetic = |op, left, right| Kind::Arithmetic { op, left, right };
    let compare = |op, first, right: Box<Expr>| Kind::Compare { first, rest: vec![(op, *right)] };
    match op {
        BinOpKind::Add => arithmetic(Arithmetic::Add, left, right),
        BinOpKind::Sub => arithmetic(Arithmetic::Subtract, left, right),
        BinOpKind::Mul => arithmetic(Arithmetic::Multiply, left, right),
        BinOpKind::Div => arithmetic(Arithmetic::Divide, left, right),
        BinOpKind::FloorDiv => arithmetic(Arithmetic::FloorDivide, left, right),
        BinOpKind::Rem => arithmetic(Arithmetic::Remainder, left, right),
        BinOpKind::Pow => arithmetic(Arithmetic::Power, left, right),
        BinOpKind::Eq => compare(Comparison::Equal, left, right),
        BinOpKind::Ne => compare(Comparison::NotEqual, left, right),
        BinOpKind::Lt => compare(Comparison::Less, left, right),
        BinOpKind::Lte => compare(Comparison::LessOrEqual, left, right),
        BinOpKind::Gt => compare(Comparison::Greater, left, right),
        BinOpKind::Gte => compare(Comparison::GreaterOrEqual, left, right),
        BinOpKind::In => compare(Comparison::In, left, right),
        BinOpKind::ScAnd => Kind::And { left, right },
        BinOpKind::ScOr => Kind::Or { left, right },
        BinOpKind::Concat => Kind::Concat { left, right },
    }
}

fn comparison(op: CompareOpKind) -> Comparison {
    match op {
        CompareOpKind::Eq => Comparison::Equal,
        CompareOpKind::Ne => Comparison::NotEqual,
        CompareOpKind::Lt => Comparison::Less,
        CompareOpKind::Lte => Comparison::LessOrEqual,
        CompareOpKind::Gt => Comparison::Greater,
        CompareOpKind::Gte => Comparison::GreaterOrEqual,
        CompareOpKind::In => Comparison::In,
        CompareOpKind::NotIn => Comparison::NotIn,
    }
}

fn access_by(base: Expr, part: Part, span: Span) -> Expr {
    let kind = match base.kind {
        Kind::Path(mut path) => {
            path.parts.push(part);
            Kind::Path(path)
        }
        kind => Kind::Get { base: Box::new(Expr { kind, span: base.span }), part },
    };
    Expr { kind, span }
}

/// The key, if it does not have to be evaluated.
fn constant_key(index: &Expr) -> Parsed<Option<Key>> {
    let number = match &index.kind {
        Kind::Literal(Value::String(name)) => return Ok(Some(Key::Name(name.clone()))),
        Kind::Literal(Value::Number(number)) => number.as_i64(),
        Kind::Negate(inner) => match &inner.kind {
            Kind::Literal(Value::Number(number)) => number.as_i64().map(i64::wrapping_neg),
            _ => return Ok(None),
        },
        Kind::Literal(_) => None,
        _ => return Ok(None),
    };
    match number {
        Some(index) => Ok(Some(Key::Index(index))),
        None => Err(ParseError::new(ParseCode::NotAllowed, index.span, "an item is read by an integer or by a name")),
    }
}

/// A literal of minijinja as JSON, unless it is a number that JSON has not.
fn json(value: &minijinja::Value) -> Option<Value> {
    match value.kind() {
        ValueKind::Bool => Some(Value::Bool(value.is_true())),
        ValueKind::String => value.as_str().map(Value::from),
        ValueKind::Number if value.is_integer() => u64::try_from(value.clone()).ok().map(Value::from),
        ValueKind::Number => f64::try_from(value.clone()).ok().and_then(Number::from_f64).map(Value::Number),
        _ => value.is_none().then_some(Value::Null),
    }
}
