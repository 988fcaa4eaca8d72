//! Writes JSON. Knows nothing of what is in it.

use std::fmt::Write;

/// A value, already written.
pub(crate) struct Json(String);

impl Json {
    pub(crate) fn null() -> Self {
        Self("null".to_owned())
    }

    pub(crate) fn number(number: impl Into<u64>) -> Self {
        Self(number.into().to_string())
    }

    pub(crate) fn boolean(value: bool) -> Self {
        Self(value.to_string())
    }

    pub(crate) fn text(text: &str) -> Self {
        let mut json = String::from('"');
        for char in text.chars() {
            match char {
                '"' | '\\' => json.extend(['\\', char]),
                '\0'..='\x1F' => write!(json, "\\u{:04x}", u32::from(char)).expect("a string takes all"),
                char => json.push(char),
            }
        }
        json.push('"');
        Self(json)
    }

    pub(crate) fn optional<T>(value: Option<T>, write: impl FnOnce(T) -> Self) -> Self {
        value.map_or_else(Self::null, write)
    }

    pub(crate) fn list(items: impl Iterator<Item = Self>) -> Self {
        let items: Vec<String> = items.map(|item| item.0).collect();
        Self(format!("[{}]", items.join(",")))
    }

    pub(crate) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let fields: Vec<String> =
            fields.into_iter().map(|(name, value)| format!("{}:{}", Self::text(name).0, value.0)).collect();
        Self(format!("{{{}}}", fields.join(",")))
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_values_are_nested() {
        let json = Json::object([
            ("a", Json::text("\"\\\n\u{e9}")),
            ("b", Json::list([Json::null(), Json::number(7_u32), Json::boolean(true)].into_iter())),
            ("c", Json::optional(None, Json::text)),
        ]);
        assert_eq!(
            json.into_text(),
            r#"{"a":"\"\\\u000a&","b":[null,7,true],"c":null}"#.replace('&', "\u{e9}")
        );
    }
}
