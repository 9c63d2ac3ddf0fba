//! APL, as much of it as an operator's tool sends: a dataset and stages behind it. Everything else is refused, so that
//! a query that works here has no part that was skipped. It knows the language; events are elsewhere.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::words::{Word, split};
use crate::error::{Context, Error, Result};

/// A query, parsed whole.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) dataset: String,
    pub(super) stages: Vec<Stage>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Stage {
    Where(Expr),
    Summarize {
        columns: Vec<(String, Aggregate)>,
        by: Vec<Group>,
    },
    /// New fields, one after the other.
    Extend(Vec<(String, Calc)>),
    Take(usize),
    /// Fields, each with whether it descends.
    Order(Vec<(String, bool)>),
    /// New name and field.
    Project(Vec<(String, String)>),
    Schema,
}

#[derive(Debug, PartialEq)]
pub(super) enum Aggregate {
    Count,
    CountIf(Expr),
    Max(Calc),
    Min(Calc),
    Avg(Calc),
    Sum(Calc),
    Distinct(Calc),
}

/// What rows are grouped by: a field, or the stretch of time in which it lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) field: String,
    pub(super) bin: Option<SignedDuration>,
}

/// A field, a number, or what comes of two of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Calc {
    Field(String),
    Number(f64),
    Of(Box<Calc>, char, Box<Calc>),
}

#[derive(Debug, PartialEq)]
pub(super) enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Operand, Comparison, Operand),
    In(String, Vec<Scalar>),
    Empty(String),
    Null(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Field(String),
    Value(Scalar),
}

/// A value in a query or an event. Times are their own type: Axiom compares no text with them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Time(Timestamp),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Equal,
    EqualFolded,
    Less,
    LessEqual,
    Contains,
    ContainsCased,
    StartsWith,
    EndsWith,
    Has,
}

/// The fields with a time in them.
pub(super) const TIMES: [&str; 2] = ["_time", "_sysTime"];

/// Parses a query as of `now`.
pub(super) fn parse(text: &str, now: Timestamp) -> Result<Query> {
    let mut parser = Parser { words: split(text)?.into_iter().peekable(), now };
    let dataset = parser.name("the dataset")?;
    let mut stages = Vec::new();
    while parser.words.peek().is_some() {
        parser.sign("|")?;
        stages.push(parser.stage()?);
    }
    Ok(Query { dataset, stages })
}

/// A word before a bracket: whether it is turned round, and what it says of a field; without that, of a condition.
type Test = (&'static str, bool, Option<fn(String) -> Expr>);

const TESTS: [Test; 5] = [
    ("not", true, None),
    ("isempty", false, Some(Expr::Empty)),
    ("isnotempty", true, Some(Expr::Empty)),
    ("isnull", false, Some(Expr::Null)),
    ("isnotnull", true, Some(Expr::Null)),
];

struct Parser {
    words: std::iter::Peekable<std::vec::IntoIter<Word>>,
    now: Timestamp,
}

impl Parser {
    fn stage(&mut self) -> Result<Stage> {
        match self.bare("an operator")?.as_str() {
            "where" | "filter" => Ok(Stage::Where(self.or()?)),
            "summarize" => self.summarize(),
            "count" => Ok(Stage::Summarize { columns: vec![("Count".into(), Aggregate::Count)], by: Vec::new() }),
            "take" | "limit" => match self.words.next() {
                Some(Word::Number(n)) if (1.0..=65_000.0).contains(&n) && n.fract() == 0.0 => {
                    Ok(Stage::Take(n as usize))
                }
                other => Err(Error::new(format!("a number of rows from 1 to 65000, not {other:?}"))),
            },
            "order" | "sort" => self.order(),
            "project" => self.list(Parser::column).map(Stage::Project),
            "extend" => self.list(Parser::calculated).map(Stage::Extend),
            "getschema" => Ok(Stage::Schema),
            other => Err(Error::new(format!("unknown operator {other}"))),
        }
    }

    fn summarize(&mut self) -> Result<Stage> {
        let columns = self.list(Parser::aggregate)?;
        let by = if self.takes("by") { self.list(Parser::group)? } else { Vec::new() };
        Ok(Stage::Summarize { columns, by })
    }

    fn group(&mut self) -> Result<Group> {
        let field = self.name("a field")?;
        if field != "bin" || !self.takes_sign("(") {
            return Ok(Group { field, bin: None });
        }
        let field = self.name("a field")?;
        self.sign(",")?;
        let bin = match self.words.next() {
            Some(Word::Span(span)) if span.is_positive() => Some(span),
            other => return Err(Error::new(format!("a span of time, as 5m, not {other:?}"))),
        };
        self.sign(")")?;
        Ok(Group { field, bin })
    }

    fn calculated(&mut self) -> Result<(String, Calc)> {
        let name = self.name("a field")?;
        self.sign("=")?;
        Ok((name, self.sum()?))
    }

    fn sum(&mut self) -> Result<Calc> {
        self.calculation(&[("+", '+'), ("-", '-')], Parser::product)
    }

    fn product(&mut self) -> Result<Calc> {
        self.calculation(&[("*", '*'), ("/", '/')], |parser| {
            if parser.takes_sign("(") {
                return parser.closed(Parser::sum);
            }
            match parser.operand()? {
                Operand::Field(name) => Ok(Calc::Field(name)),
                Operand::Value(Scalar::Number(number)) => Ok(Calc::Number(number)),
                Operand::Value(other) => Err(Error::new(format!("nothing is calculated with {other:?}"))),
            }
        })
    }

    fn calculation(
        &mut self,
        signs: &[(&'static str, char)],
        part: impl Fn(&mut Self) -> Result<Calc>,
    ) -> Result<Calc> {
        let mut whole = part(self)?;
        while let Some((_, sign)) = signs.iter().find(|(word, _)| self.takes_sign(word)) {
            whole = Calc::Of(whole.into(), *sign, part(self)?.into());
        }
        Ok(whole)
    }

    fn aggregate(&mut self) -> Result<(String, Aggregate)> {
        let mut function = self.name("an aggregation")?;
        let own = if self.takes_sign("=") {
            Some(std::mem::replace(&mut function, self.bare("an aggregation")?))
        } else {
            None
        };
        self.sign("(")?;
        let (aggregate, standard) = match function.as_str() {
            "count" => (Aggregate::Count, "count_".to_owned()),
            "countif" => (Aggregate::CountIf(self.or()?), "countif_".to_owned()),
            "max" | "min" | "avg" | "sum" | "dcount" => {
                let of = self.sum()?;
                let title = match &of {
                    Calc::Field(field) => format!("{function}_{field}"),
                    Calc::Number(_) | Calc::Of(..) => format!("{function}_"),
                };
                let made = match function.as_str() {
                    "max" => Aggregate::Max,
                    "min" => Aggregate::Min,
                    "avg" => Aggregate::Avg,
                    "sum" => Aggregate::Sum,
                    _ => Aggregate::Distinct,
                };
                (made(of), title)
            }
            other => return Err(Error::new(format!("unknown aggregation {other}"))),
        };
        self.sign(")")?;
        Ok((own.unwrap_or(standard), aggregate))
    }

    fn order(&mut self) -> Result<Stage> {
        self.word("by")?;
        let fields = self.list(|parser| {
            let field = parser.name("a field")?;
            let ascends = parser.takes("asc");
            // As in Kusto, descending unless said otherwise.
            Ok((field, parser.takes("desc") || !ascends))
        })?;
        Ok(Stage::Order(fields))
    }

    fn column(&mut self) -> Result<(String, String)> {
        let name = self.name("a field")?;
        let field = if self.takes_sign("=") { self.name("a field")? } else { name.clone() };
        Ok((name, field))
    }

    fn or(&mut self) -> Result<Expr> {
        let mut parts = vec![self.and()?];
        while self.takes("or") {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr> {
        let mut parts = vec![self.condition()?];
        while self.takes("and") {
            parts.push(self.condition()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn condition(&mut self) -> Result<Expr> {
        if self.takes_sign("(") {
            return self.closed(Parser::or);
        }
        for (word, negated, test) in TESTS {
            if self.takes(word) {
                self.sign("(")?;
                let inner = self.closed(|parser| match test {
                    None => parser.or(),
                    Some(test) => parser.name("a field").map(test),
                })?;
                return Ok(if negated { Expr::Not(inner.into()) } else { inner });
            }
        }
        let left = self.operand()?;
        let negated = self.takes_sign("!");
        let found = self.comparison(left)?;
        Ok(if negated { Expr::Not(found.into()) } else { found })
    }

    fn closed<T>(&mut self, inside: impl Fn(&mut Self) -> Result<T>) -> Result<T> {
        let found = inside(self)?;
        self.sign(")")?;
        Ok(found)
    }

    fn comparison(&mut self, left: Operand) -> Result<Expr> {
        use Comparison::*;
        let word = self.words.next().context("the query ends behind a field")?;
        let (comparison, negated, swapped) = match &word {
            Word::Sign("==") => (Equal, false, false),
            Word::Sign("!=") => (Equal, true, false),
            Word::Sign("=~") => (EqualFolded, false, false),
            Word::Sign("!~") => (EqualFolded, true, false),
            Word::Sign("<") => (Less, false, false),
            Word::Sign("<=") => (LessEqual, false, false),
            Word::Sign(">") => (Less, false, true),
            Word::Sign(">=") => (LessEqual, false, true),
            Word::Bare(word) => match word.as_str() {
                "contains" => (Contains, false, false),
                "contains_cs" => (ContainsCased, false, false),
                "startswith" => (StartsWith, false, false),
                "endswith" => (EndsWith, false, false),
                "has" => (Has, false, false),
                "in" => return self.among(left),
                other => return Err(Error::new(format!("unknown comparison {other}"))),
            },
            other => return Err(Error::new(format!("unexpected {other:?} behind a field"))),
        };
        let right = self.operand()?;
        times_with_times(&left, &right)?;
        let (left, right) = if swapped { (right, left) } else { (left, right) };
        let compared = Expr::Compare(left, comparison, right);
        Ok(if negated { Expr::Not(compared.into()) } else { compared })
    }

    fn among(&mut self, left: Operand) -> Result<Expr> {
        let Operand::Field(field) = left else { return Err(Error::new("before `in` stands a field")) };
        self.sign("(")?;
        let values = self.closed(|parser| {
            parser.list(|parser| match parser.operand()? {
                Operand::Value(value) => Ok(value),
                Operand::Field(name) => Err(Error::new(format!("{name} is not a value"))),
            })
        })?;
        Ok(Expr::In(field, values))
    }

    fn operand(&mut self) -> Result<Operand> {
        let value = match self.words.next().context("the query ends where a value must stand")? {
            Word::Text(text) => Scalar::Text(text),
            Word::Number(number) => Scalar::Number(number),
            Word::Sign("-") => match self.words.next() {
                Some(Word::Number(number)) => Scalar::Number(-number),
                other => return Err(Error::new(format!("unexpected {other:?} behind -"))),
            },
            Word::Name(name) => return Ok(Operand::Field(name)),
            Word::Bare(word) => match word.as_str() {
                "true" | "false" => Scalar::Bool(word == "true"),
                "null" => Scalar::Null,
                "now" | "ago" | "datetime" => Scalar::Time(self.time(&word)?),
                _ if self.words.peek() == Some(&Word::Sign("(")) => {
                    return Err(Error::new(format!("unknown function {word}")));
                }
                _ => return Ok(Operand::Field(word)),
            },
            other => return Err(Error::new(format!("unexpected {other:?}"))),
        };
        Ok(Operand::Value(value))
    }

    fn time(&mut self, function: &str) -> Result<Timestamp> {
        self.sign("(")?;
        if function == "now" {
            self.sign(")")?;
            return Ok(self.now);
        }
        let time = match (function, self.words.next()) {
            ("ago", Some(Word::Span(span))) => self.now.checked_sub(span).context("ago")?,
            ("datetime", Some(Word::Text(text))) => moment(&text)?,
            (_, other) => return Err(Error::new(format!("{function}() of {other:?}"))),
        };
        self.sign(")")?;
        Ok(time)
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.takes_sign(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn name(&mut self, what: &str) -> Result<String> {
        match self.words.next() {
            Some(Word::Bare(name) | Word::Name(name)) => Ok(name),
            other => Err(Error::new(format!("{what} is expected, not {other:?}"))),
        }
    }

    fn bare(&mut self, what: &str) -> Result<String> {
        match self.words.next() {
            Some(Word::Bare(name)) => Ok(name),
            other => Err(Error::new(format!("{what} is expected, not {other:?}"))),
        }
    }

    fn word(&mut self, word: &str) -> Result<()> {
        if self.takes(word) { Ok(()) } else { Err(Error::new(format!("`{word}` is expected"))) }
    }

    fn sign(&mut self, sign: &'static str) -> Result<()> {
        match self.words.next() {
            Some(Word::Sign(found)) if found == sign => Ok(()),
            other => Err(Error::new(format!("`{sign}` is expected, not {other:?}"))),
        }
    }

    fn takes(&mut self, word: &str) -> bool {
        self.words.next_if(|next| matches!(next, Word::Bare(bare) if bare == word)).is_some()
    }

    fn takes_sign(&mut self, sign: &'static str) -> bool {
        self.words.next_if_eq(&Word::Sign(sign)).is_some()
    }
}

fn one_or(mut parts: Vec<Expr>, several: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            several(parts)
        }
    }
}

/// A time compared with a text would be false for ever, and nobody would know why.
fn times_with_times(left: &Operand, right: &Operand) -> Result<()> {
    let time = |operand: &Operand| match operand {
        Operand::Field(name) => TIMES.contains(&name.as_str()),
        Operand::Value(value) => matches!(value, Scalar::Time(_)),
    };
    let other =
        |operand: &Operand| matches!(operand, Operand::Value(Scalar::Text(_) | Scalar::Number(_) | Scalar::Bool(_)));
    if (time(left) && other(right)) || (other(left) && time(right)) {
        return Err(Error::new("a time is compared with what is none: write datetime(\"...\")"));
    }
    Ok(())
}

/// RFC 3339, or a date alone.
pub(super) fn moment(text: &str) -> Result<Timestamp> {
    let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(date).context(format!("{text:?} is not a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text, Timestamp::UNIX_EPOCH).unwrap_err().to_string()
    }

    #[test]
    fn what_an_operators_tool_sends_is_understood() {
        let text = "['nats-logs'] | where _time > ago(5m) and ['host'] == \"n-1\" // mine\n\
                    | where instance_id in (\"i-1\", 'i-2') or not(health_code != 200) \
                    | summarize events = count(), max(_time) by host | order by events asc, host | take 5";
        let query = parse(text, Timestamp::from_second(1000).unwrap()).unwrap();
        assert_eq!((query.dataset.as_str(), query.stages.len()), ("nats-logs", 5));
        let Stage::Where(Expr::And(parts)) = &query.stages[0] else { panic!("{query:?}") };
        let time = Operand::Value(Scalar::Time(Timestamp::from_second(700).unwrap()));
        assert_eq!(parts[0], Expr::Compare(time, Comparison::Less, Operand::Field("_time".into())));
        let Stage::Summarize { columns, by } = &query.stages[2] else { panic!("{query:?}") };
        assert_eq!(columns[0], ("events".into(), Aggregate::Count));
        let host = Group { field: "host".into(), bin: None };
        assert_eq!((columns[1].0.as_str(), by.as_slice()), ("max__time", [host].as_slice()));
        assert_eq!(query.stages[3], Stage::Order(vec![("events".into(), false), ("host".into(), true)]));
        assert_eq!(query.stages[4], Stage::Take(5));
    }

    #[test]
    fn all_else_is_refused() {
        for (text, why) in [
            ("", "the dataset"),
            ("['nats-logs] | take 1", "quote"),
            ("nats where true", "`|` is expected"),
            ("d | parse x", "unknown operator parse"),
            ("d | extend x = \"a\" + 1", "nothing is calculated"),
            ("d | extend x", "`=` is expected"),
            ("d | where host == \"a", "quote"),
            ("d | where host matches regex \"a\"", "unknown comparison matches"),
            ("d | where tolower(host) == \"a\"", "unknown function tolower"),
            ("d | where _time > \"2026-01-01\"", "write datetime"),
            ("d | summarize percentile(x, 95)", "unknown aggregation percentile"),
            ("d | summarize count() by bin(_time, 1)", "a span of time"),
            ("d | take 0", "from 1"),
            ("d | where host == \"a\" host", "is expected"),
            ("d | where _time > datetime(\"yesterday\")", "is not a time"),
            ("d; drop", "unexpected ';'"),
        ] {
            assert!(refused(text).contains(why), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn texts_are_what_they_were_before_they_were_quoted() {
        let query = parse(r#"d | where m == "a \"b\" \\ c""#, Timestamp::UNIX_EPOCH).unwrap();
        let text = Operand::Value(Scalar::Text(r#"a "b" \ c"#.into()));
        assert_eq!(query.stages, [Stage::Where(Expr::Compare(Operand::Field("m".into()), Comparison::Equal, text))]);
    }
}
