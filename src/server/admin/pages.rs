//! Lists page by page.

use serde_json::{Value, json};

use super::problem::Problem;
use crate::limits;

/// How many items a page has when nobody says.
const USUAL: usize = 50;

/// `limit` of the query.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    let most = limits::PAGE;
    match asked {
        None => Ok(USUAL),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::senseless(format!("`limit` is from 1 to {most}"))),
    }
}

/// A page of items that are all at hand, in the order of their ids, after the one of the cursor.
pub(super) fn of_all(
    name: &str,
    items: Vec<Value>,
    cursor: Option<&str>,
    limit: Option<usize>,
) -> Result<Value, Problem> {
    let limit = self::limit(limit.or(Some(limits::PAGE)))?;
    let mut items = items;
    if let Some(cursor) = cursor {
        items.retain(|item| id(item).is_some_and(|id| id > cursor));
    }
    Ok(of(name, items, limit))
}

/// A page of items of which one more than a page was asked for.
pub(super) fn of(name: &str, mut items: Vec<Value>, limit: usize) -> Value {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().and_then(id).filter(|_| more);
    let next = next.map(str::to_owned);
    json!({ name: items, "next": next })
}

/// The id of an item.
pub(super) fn id(item: &Value) -> Option<&str> {
    item.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_leave_nothing_out() {
        let items: Vec<_> = ["a", "b", "c"].map(|id| json!({ "id": id })).into();
        let page = |cursor: Option<&str>, limit| of_all("items", items.clone(), cursor, limit);
        let first = page(None, Some(2)).unwrap();
        assert_eq!(first["next"], "b");
        let second = page(Some("b"), Some(2)).unwrap();
        assert_eq!(second, json!({ "items": [{ "id": "c" }], "next": null }));
        assert_eq!(page(None, None).unwrap()["next"], Value::Null);
        assert!(page(None, Some(0)).is_err() && page(None, Some(201)).is_err());
    }
}
