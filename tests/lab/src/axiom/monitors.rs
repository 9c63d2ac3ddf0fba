//! Monitors: the list that Axiom keeps, and what it takes for one. They are kept and never asked. It knows neither HTTP
//! nor tokens.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Refusal;

type Monitor = Map<String, Value>;

/// What a field may hold.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bool,
    Number,
    Texts,
}

/// As documented. The service's own stamps may be sent, and are not taken.
const FIELDS: [(&str, Kind); 27] = [
    ("alertOnNoData", Kind::Bool),
    ("aplQuery", Kind::Text),
    ("columnName", Kind::Text),
    ("compareDays", Kind::Number),
    ("createdAt", Kind::Text),
    ("createdBy", Kind::Text),
    ("description", Kind::Text),
    ("disabled", Kind::Bool),
    ("disabledUntil", Kind::Text),
    ("id", Kind::Text),
    ("intervalMinutes", Kind::Number),
    ("mplQuery", Kind::Text),
    ("name", Kind::Text),
    ("notifierIds", Kind::Texts),
    ("notifyByGroup", Kind::Bool),
    ("notifyEveryRun", Kind::Bool),
    ("operator", Kind::Text),
    ("rangeMinutes", Kind::Number),
    ("resolvable", Kind::Bool),
    ("secondDelay", Kind::Number),
    ("skipResolved", Kind::Bool),
    ("threshold", Kind::Number),
    ("tolerance", Kind::Number),
    ("triggerAfterNPositiveResults", Kind::Number),
    ("triggerFromNRuns", Kind::Number),
    ("type", Kind::Text),
    ("updatedAt", Kind::Text),
];

const STAMPS: [&str; 4] = ["id", "createdAt", "createdBy", "updatedAt"];
const OPERATORS: [&str; 5] = ["Below", "BelowOrEqual", "Above", "AboveOrEqual", "AboveOrBelow"];
const TYPES: [&str; 3] = ["Threshold", "MatchEvent", "AnomalyDetection"];

/// All there are, by id.
#[derive(Default)]
pub(super) struct Monitors {
    all: BTreeMap<String, Monitor>,
    made: u64,
}

impl Monitors {
    pub(super) fn list(&self) -> Value {
        Value::Array(self.all.values().map(shown).collect())
    }

    pub(super) fn get(&self, id: &str) -> Result<Value, Refusal> {
        self.all.get(id).map(shown).ok_or_else(missing)
    }

    /// `query` says what is wrong with a query in APL.
    pub(super) fn create(
        &mut self,
        body: &Value,
        query: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Value, Refusal> {
        let mut monitor = checked(body, query)?;
        self.made += 1;
        let (id, now) = (format!("mon_{:06}", self.made), json!(Timestamp::now().to_string()));
        let stamps = [json!(id), now.clone(), json!("usr_lab"), now];
        monitor.extend(STAMPS.map(str::to_owned).into_iter().zip(stamps));
        let answer = shown(&monitor);
        self.all.insert(id, monitor);
        Ok(answer)
    }

    /// The whole monitor is replaced.
    pub(super) fn update(
        &mut self,
        id: &str,
        body: &Value,
        query: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Value, Refusal> {
        let there = self.all.get_mut(id).ok_or_else(missing)?;
        let mut monitor = checked(body, query)?;
        let stamp = |name: &str| Some((name.to_owned(), there.get(name)?.clone()));
        monitor.extend(["id", "createdAt", "createdBy"].into_iter().filter_map(stamp));
        monitor.insert("updatedAt".to_owned(), json!(Timestamp::now().to_string()));
        *there = monitor;
        Ok(shown(there))
    }

    pub(super) fn delete(&mut self, id: &str) -> Result<(), Refusal> {
        self.all.remove(id).map(drop).ok_or_else(missing)
    }
}

fn missing() -> Refusal {
    Refusal(404, "monitor not found".into())
}

/// What is off or empty is not said.
fn shown(monitor: &Monitor) -> Value {
    let said = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && *value != json!("");
    let fields = monitor.iter().filter(|(_, value)| said(value));
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn checked(body: &Value, query: impl Fn(&str) -> Result<(), String>) -> Result<Monitor, Refusal> {
    let bad = |why: String| Refusal(400, why);
    let mut monitor = Monitor::new();
    for (name, value) in body.as_object().ok_or_else(|| bad("a monitor is an object".into()))? {
        // Its own libraries write NotifierIDs.
        let known = FIELDS.into_iter().find(|(field, _)| name.eq_ignore_ascii_case(field));
        let (field, kind) = known.ok_or_else(|| bad(format!("unknown field: {name}")))?;
        if !kind.fits(value) {
            return Err(bad(format!("{field} is not {}", kind.name())));
        }
        if !STAMPS.contains(&field) {
            monitor.insert(field.to_owned(), value.clone());
        }
    }
    let text = |name: &str| monitor.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| monitor.get(name).and_then(Value::as_f64).unwrap_or_default();
    if text("name").is_empty() {
        return Err(bad("name is required".into()));
    }
    if !TYPES.contains(&text("type")) {
        return Err(bad(format!("unknown type {:?}", text("type"))));
    }
    if text("aplQuery").is_empty() == text("mplQuery").is_empty() {
        return Err(bad("one of aplQuery and mplQuery is required".into()));
    }
    if text("type") == "Threshold" {
        if !OPERATORS.contains(&text("operator")) {
            return Err(bad(format!("unknown operator {:?}", text("operator"))));
        }
        if !monitor.contains_key("threshold") {
            return Err(bad("threshold is required".into()));
        }
        if number("intervalMinutes") < 1.0 || number("rangeMinutes") < 1.0 {
            return Err(bad("intervalMinutes and rangeMinutes are at least 1".into()));
        }
    }
    if !text("aplQuery").is_empty() {
        query(text("aplQuery")).map_err(bad)?;
    }
    Ok(monitor)
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) | (Kind::Text, Value::String(_)) | (Kind::Bool, Value::Bool(_)) => true,
            (Kind::Number, Value::Number(_)) => true,
            (Kind::Texts, Value::Array(items)) => items.iter().all(Value::is_string),
            _ => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Bool => "a boolean",
            Kind::Number => "a number",
            Kind::Texts => "a list of texts",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(more: Value) -> Value {
        let mut monitor = json!({
            "name": "p: a", "type": "Threshold", "aplQuery": "d", "operator": "Above", "threshold": 1.5,
            "intervalMinutes": 1, "rangeMinutes": 5, "alertOnNoData": false, "NotifierIDs": ["n"],
        });
        monitor.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        monitor
    }

    fn refusal(monitors: &mut Monitors, body: &Value) -> (u16, String) {
        let Refusal(status, why) =
            monitors.create(body, |apl| if apl == "d" { Ok(()) } else { Err("bad".into()) }).unwrap_err();
        (status, why)
    }

    #[test]
    fn monitors_are_kept_until_they_are_deleted() {
        let mut monitors = Monitors::default();
        let made = monitors.create(&monitor(json!({ "id": "mine", "createdBy": "me" })), |_| Ok(())).unwrap();
        let id = made["id"].as_str().unwrap().to_owned();
        assert_eq!(
            (id.as_str(), &made["createdBy"], &made["notifierIds"]),
            ("mon_000001", &json!("usr_lab"), &json!(["n"]))
        );
        assert_eq!(made.get("alertOnNoData"), None, "what is off is not said");
        let changed = monitors.update(&id, &monitor(json!({ "threshold": 2 })), |_| Ok(())).unwrap();
        assert_eq!((&changed["threshold"], &changed["createdAt"]), (&json!(2), &made["createdAt"]));
        assert_eq!(monitors.list(), json!([changed]));
        assert_eq!(monitors.get(&id).map_err(|_| ()), Ok(changed));
        assert!(monitors.delete(&id).is_ok());
        for refusal in [monitors.get(&id).err(), monitors.delete(&id).err()] {
            assert_eq!(refusal.unwrap().0, 404);
        }
        assert_eq!(monitors.update(&id, &monitor(json!({})), |_| Ok(())).err().unwrap().0, 404);
        assert_eq!(monitors.list(), json!([]));
    }

    #[test]
    fn what_is_no_monitor_is_refused() {
        let mut monitors = Monitors::default();
        for (more, why) in [
            (json!({ "severity": "high" }), "unknown field: severity"),
            (json!({ "name": "" }), "name is required"),
            (json!({ "type": "Guess" }), "unknown type"),
            (json!({ "aplQuery": "" }), "aplQuery"),
            (json!({ "mplQuery": "m" }), "aplQuery"),
            (json!({ "aplQuery": "x" }), "bad"),
            (json!({ "operator": "above" }), "unknown operator"),
            (json!({ "threshold": "1" }), "threshold is not a number"),
            (json!({ "rangeMinutes": 0 }), "at least 1"),
            (json!({ "notifierIds": [1] }), "notifierIds is not a list of texts"),
        ] {
            let (status, said) = refusal(&mut monitors, &monitor(more.clone()));
            assert!(status == 400 && said.contains(why), "{more}: {status} {said}");
        }
        assert_eq!(refusal(&mut monitors, &json!([])).0, 400);
        assert_eq!(monitors.list(), json!([]));
    }
}
