//! Topic names and filters against a second opinion: slow, plain rules that share no code with the library.

use bowline_proto::{TopicFilter, TopicName};

/// Takes an input as a filter and a topic with a NUL between them, and compares validity and matching.
pub fn topic_matching(input: &[u8]) {
    let at = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let (filter, topic) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    for bytes in [filter, topic] {
        let filter = TopicFilter::try_from(bowline_proto::Bytes::copy_from_slice(bytes));
        assert_eq!(filter.is_ok(), is_filter(bytes), "filter {bytes:?}: {filter:?}");
        let name = TopicName::try_from(bowline_proto::Bytes::copy_from_slice(bytes));
        assert_eq!(name.is_ok(), is_name(bytes), "name {bytes:?}: {name:?}");
    }
    let (Ok(filter), Ok(topic)) = (std::str::from_utf8(filter), std::str::from_utf8(topic)) else { return };
    let (Ok(parsed_filter), Ok(parsed_topic)) = (TopicFilter::try_from(filter), TopicName::try_from(topic))
    else {
        return;
    };
    let expected = matches(matching_part(filter), topic);
    assert_eq!(parsed_filter.matches(&parsed_topic), expected, "{filter:?} against {topic:?}");
}

fn is_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let legal = !text.is_empty() && text.len() <= 65_535 && !text.contains('\0');
    legal.then_some(text)
}

fn is_name(bytes: &[u8]) -> bool {
    is_text(bytes).is_some_and(|text| !text.contains(['+', '#']))
}

fn is_filter(bytes: &[u8]) -> bool {
    let Some(text) = is_text(bytes) else { return false };
    let levels: Vec<&str> = text.split('/').collect();
    let levels = if levels[0] == "$share" && levels.len() > 1 {
        let has_filter = levels.len() > 3 || (levels.len() == 3 && !levels[2].is_empty());
        if levels[1].is_empty() || levels[1].contains(['+', '#']) || !has_filter {
            return false;
        }
        &levels[2..]
    } else {
        &levels[..]
    };
    levels.iter().enumerate().all(|(at, level)| match *level {
        "#" => at + 1 == levels.len(),
        "+" => true,
        other => !other.contains(['+', '#']),
    })
}

fn matching_part(filter: &str) -> &str {
    match filter.strip_prefix("$share/") {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, part)| part),
        None => filter,
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    let hidden = topic[0].starts_with('$') && matches!(filter[0], "+" | "#");
    !hidden && levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
        ([same, filter @ ..], [level, topic @ ..]) => same == level && levels_match(filter, topic),
        _ => false,
    }
}
