//! An object that is taken apart member by member. Names that a format knows are few, and comparing
//! them costs less than hashing them, as `serde_json`'s maps do. Knows nothing of what they mean.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The members of an object that are not taken yet, in their order, each name once.
#[derive(Debug, Clone, Default)]
pub struct Taken(Vec<(String, Value)>);

impl Taken {
    /// Looks at the member `name` without taking it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Takes the member `name`, whatever it is.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Takes a text that says something; what else it may be is taken and dropped.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// What has not been taken, `null`s left out.
    pub fn rest(self) -> impl Iterator<Item = (String, Value)> {
        self.0.into_iter().filter(|(_, value)| !value.is_null())
    }
}

impl From<Map<String, Value>> for Taken {
    fn from(members: Map<String, Value>) -> Self {
        Self(members.into_iter().collect())
    }
}

/// Of a name that occurs twice the last value counts, as in `serde_json`'s maps.
impl<'de> Deserialize<'de> for Taken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

/// From so many members on, comparing each name with all others costs more than hashing it.
const FEW: usize = 32;

impl<'de> Visitor<'de> for Members {
    type Value = Taken;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Taken, A::Error> {
        let mut few: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            match few.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => few.push((name, value)),
            }
            if few.len() >= FEW {
                let mut many: Map<_, _> = few.into_iter().collect();
                while let Some((name, value)) = access.next_entry()? {
                    many.insert(name, value);
                }
                return Ok(many.into());
            }
        }
        Ok(Taken(few))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_keeps_its_order() {
        let Value::Object(members) = json!({"a": 1, "b": "", "c": null, "d": "x", "e": [2]}) else {
            panic!()
        };
        let mut taken = Taken::from(members);
        assert_eq!(taken.take("b"), Some(json!("")));
        assert_eq!((taken.take("b"), taken.text("a")), (None, None));
        assert_eq!(taken.get("c"), Some(&Value::Null));
        assert_eq!(taken.text("d").as_deref(), Some("x"));
        assert_eq!(taken.rest().collect::<Vec<_>>(), [("e".to_owned(), json!([2]))]);
    }

    #[test]
    fn many_are_read_as_few_are() {
        for count in [0, 1, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let members: Vec<_> = (0..count).map(|at| format!("\"n{at}\":{at}")).collect();
            let twice = if count > 0 { ",\"n0\":[\"last\"]" } else { "" };
            let text = format!("{{{}{twice}}}", members.join(","));
            let read: Taken = serde_json::from_str(&text).unwrap();
            let map: Map<String, Value> = serde_json::from_str(&text).unwrap();
            assert_eq!(read.0, map.into_iter().collect::<Vec<_>>(), "{text}");
        }
        for other in ["[]", "1", "\"x\"", "null"] {
            assert!(serde_json::from_str::<Taken>(other).is_err(), "{other}");
        }
    }
}
