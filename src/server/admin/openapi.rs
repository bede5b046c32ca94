//! `/openapi.json`: the API described for programs, made of the table that the router is made of.

use axum::Json;
use serde_json::{Map, Value, json};

use super::routes::{ROUTES, Route};

/// `GET /openapi.json`.
pub(super) async fn page() -> Json<Value> {
    Json(document())
}

/// The description (OpenAPI 3.1).
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            let method = route.method.as_str().to_ascii_lowercase();
            path.insert(method, operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Strowger",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Queues, operators and calls of a running server.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Problem": {
                "type": "object",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": { "type": "string" },
                    "title": { "type": "string" },
                    "status": { "type": "integer" },
                    "detail": { "type": "string" },
                },
            } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    if route.path.contains("{id}") {
        parameters.push(json!({
            "name": "id", "in": "path", "required": true, "schema": { "type": "string" },
        }));
    }
    parameters.extend(route.query.iter().map(|(name, what)| {
        let kind = if *name == "limit" {
            "integer"
        } else {
            "string"
        };
        json!({ "name": name, "in": "query", "description": what, "schema": { "type": kind } })
    }));
    let kind = route.gives();
    let mut found = json!({
        "operationId": route.name,
        "summary": route.does,
        "x-roles": route.roles,
        "parameters": parameters,
        "responses": {
            "200": { "description": "as asked", "content": { kind: {} } },
            "default": {
                "description": "what went wrong (RFC 9457)",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            },
        },
    });
    let body = (route.body)();
    if let Some(found) = found.as_object_mut() {
        if !body.is_null() {
            let needed = body.get("required").and_then(Value::as_array);
            let needed = needed.is_some_and(|needed| !needed.is_empty());
            let content = json!({ "application/json": { "schema": body } });
            let body = json!({ "required": needed, "content": content });
            found.insert("requestBody".into(), body);
        }
        if !route.path.starts_with("/v1") {
            found.insert("security".into(), json!([]));
        }
    }
    found
}
