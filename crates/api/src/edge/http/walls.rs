//! Scopes are walls: what a key may not read is taken out of every answer, by the marks of the published document.
//!
//! Users read everything, so that this concerns keys alone; an answer that shows nothing else than the key may read is
//! not touched.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ResourceDef, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpMessage, ResponseError};
use serde_json::{Map, Value};
use tandem_domain::access::{Actor, Scope};

use super::problem::{Code, Problem};
use crate::edge::caller::Caller;
use crate::edge::openapi::kinds::{self, ENTRY, READ_SCOPE, VALUES};
use crate::edge::openapi::pass;

/// The JSON body of a request, for the answer to a caller who may not read what it wrote.
#[derive(Debug, Clone)]
pub struct SentBody(pub Value);

/// What answers show, by operation and component.
#[derive(Debug)]
pub struct Walls {
    paths: Vec<(ResourceDef, BTreeMap<String, Answer>)>,
    components: BTreeMap<String, Node>,
    scopes: BTreeSet<Scope>,
}

/// What the success of an operation shows.
#[derive(Debug, Default)]
struct Answer {
    shown: Node,
    /// The view that a write answers, and the scope that reads it.
    written: Option<(String, Scope)>,
    /// All scopes that read something in it.
    scopes: BTreeSet<Scope>,
}

/// The marks of a schema and of what is inside.
#[derive(Debug, Default)]
struct Node {
    scope: Option<Scope>,
    is_entry: bool,
    references: Vec<String>,
    alternatives: Vec<Node>,
    members: BTreeMap<String, Node>,
    items: Option<Box<Node>>,
}

impl Walls {
    /// The walls that a document describes.
    pub fn of(document: &Value) -> Self {
        let schemas = document["components"]["schemas"].as_object();
        let component = |(name, schema): (&String, &Value)| {
            let node = Node {
                is_entry: name == ENTRY,
                ..Node::of(schema)
            };
            (name.clone(), node)
        };
        let components: BTreeMap<String, Node> = schemas.into_iter().flatten().map(component).collect();
        let mut paths: BTreeMap<&str, BTreeMap<String, Answer>> = BTreeMap::new();
        for (path, method, operation) in pass::operations(document) {
            let mut answer = Answer::default();
            let responses = operation["responses"].as_object().into_iter().flatten();
            for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
                let schema = &response["content"]["application/json"]["schema"];
                let node = Node::of(schema);
                answer.written = answer.written.or_else(|| written(&node, &components));
                answer.shown.alternatives.push(node);
            }
            answer
                .shown
                .gather(&components, &mut BTreeSet::new(), &mut answer.scopes);
            paths
                .entry(path)
                .or_default()
                .insert(method.to_uppercase(), answer);
        }
        let scopes = Scope::ALL.iter().copied().filter(|scope| scope.is_for_keys());
        Self {
            paths: paths
                .into_iter()
                .map(|(path, answers)| (ResourceDef::new(path), answers))
                .collect(),
            components,
            scopes: scopes.collect(),
        }
    }

    /// The scopes that a key lacks; `None` where nothing is hidden from the caller.
    pub fn lacking(&self, caller: &Caller) -> Option<BTreeSet<Scope>> {
        let identity = caller.identity.as_ref().ok()?;
        if !matches!(identity.actor, Actor::Key { .. }) {
            return None;
        }
        let lacking = self
            .scopes
            .iter()
            .copied()
            .filter(|scope| !identity.grants(*scope));
        Some(lacking.collect())
    }

    /// The answer without what these scopes read.
    pub fn hide(
        &self,
        lacking: &BTreeSet<Scope>,
        response: ServiceResponse<BoxBody>,
    ) -> ServiceResponse<BoxBody> {
        let Some(answer) = self.answer(response.request().method(), response.request().path()) else {
            return response;
        };
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let is_problem = match kind.map(|kind| kind.split(';').next().unwrap_or(kind)) {
            Some("application/json") => false,
            Some(super::problem::MEDIA_TYPE) => true,
            _ => return response,
        };
        if !is_problem && answer.scopes.is_disjoint(lacking) {
            return response;
        }
        let (request, response) = response.into_parts();
        let sent = request.extensions_mut().remove::<SentBody>();
        let (head, body) = response.into_parts();
        let shown = body.try_into_bytes().ok().and_then(|bytes| {
            let mut shown: Value = serde_json::from_slice(&bytes).ok()?;
            match is_problem {
                true => self.hide_in_problem(lacking, answer, &mut shown),
                false => self.hide_in_success(lacking, answer, sent.map(|sent| sent.0), &mut shown),
            }
            serde_json::to_vec(&shown).ok()
        });
        // What cannot be looked at is not shown.
        let response = match shown {
            Some(body) => head.set_body(BoxBody::new(body)),
            None => Problem::new(Code::InternalError)
                .because("an answer cannot be filtered by the scopes of its caller")
                .error_response(),
        };
        ServiceResponse::new(request, response)
    }

    /// Take out of a journal entry what these scopes read.
    pub fn hide_entry(&self, lacking: &BTreeSet<Scope>, entry: &mut Value) {
        if let Some(node) = self.components.get(ENTRY) {
            self.stays(lacking, node, entry);
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Option<&Answer> {
        let mut answers = self.paths.iter().filter(|(pattern, _)| pattern.is_match(path));
        answers.find_map(|(_, answers)| answers.get(method.as_str()))
    }

    fn hide_in_success(
        &self,
        lacking: &BTreeSet<Scope>,
        answer: &Answer,
        sent: Option<Value>,
        shown: &mut Value,
    ) {
        match (&answer.written, shown.as_object()) {
            (Some((view, scope)), Some(members)) if lacking.contains(scope) => {
                *shown = Value::Object(receipt(view, members, sent.as_ref()));
            }
            _ => {
                if !self.stays(lacking, &answer.shown, shown) {
                    *shown = Value::Object(Map::new());
                }
            }
        }
    }

    /// Where a record stands is read like the record; the entity tag of a stale one is not hidden.
    fn hide_in_problem(&self, lacking: &BTreeSet<Scope>, answer: &Answer, shown: &mut Value) {
        if let Some(node) = self.components.get("Problem") {
            self.stays(lacking, node, shown);
        }
        let is_read = answer
            .written
            .as_ref()
            .is_none_or(|(_, scope)| !lacking.contains(scope));
        let is_stale = shown["code"] == Code::Stale.name();
        if let (false, false, Some(members)) = (is_read, is_stale, shown.as_object_mut()) {
            members.remove("current");
            if members
                .get("code")
                .is_some_and(|code| code == Code::IllegalTransition.name())
            {
                members.remove("allowed");
            }
        }
    }

    /// Take out what is inside; whether the value itself stays.
    fn stays(&self, lacking: &BTreeSet<Scope>, node: &Node, value: &mut Value) -> bool {
        if node.scope.is_some_and(|scope| lacking.contains(&scope)) {
            return false;
        }
        if node.is_entry {
            hide_values(lacking, value);
        }
        let others = node
            .references
            .iter()
            .filter_map(|name| self.components.get(name))
            .chain(&node.alternatives);
        for other in others {
            if !self.stays(lacking, other, value) {
                return false;
            }
        }
        match value {
            Value::Object(members) => {
                members.retain(|name, member| {
                    let node = node.members.get(name);
                    node.is_none_or(|node| self.stays(lacking, node, member))
                });
            }
            Value::Array(items) => {
                if let Some(node) = &node.items {
                    items.retain_mut(|item| self.stays(lacking, node, item));
                }
            }
            _ => {}
        }
        true
    }
}

/// What a write answers to a caller who may not read it: what names the record, and the members of the request.
fn receipt(view: &str, members: &Map<String, Value>, sent: Option<&Value>) -> Map<String, Value> {
    let mut receipt: Map<String, Value> = kinds::shown_of_write(view)
        .filter_map(|name| Some((name.to_owned(), members.get(name)?.clone())))
        .collect();
    for (name, told) in sent.and_then(Value::as_object).into_iter().flatten() {
        let is_alike = match (told, members.get(name)) {
            (Value::String(_), Some(Value::String(_)))
            | (Value::Number(_), Some(Value::Number(_)))
            | (Value::Bool(_), Some(Value::Bool(_))) => true,
            (told, shown) => shown == Some(told),
        };
        if is_alike && !receipt.contains_key(name) {
            receipt.insert(name.clone(), told.clone());
        }
    }
    receipt
}

/// An entry whose kind the caller may not read, or that nobody knows, comes without its values.
fn hide_values(lacking: &BTreeSet<Scope>, entry: &mut Value) {
    let scope = entry["type"].as_str().and_then(kinds::reading_entries);
    if scope.is_some_and(|scope| !lacking.contains(&scope)) {
        return;
    }
    if let Some(members) = entry.as_object_mut() {
        VALUES.iter().for_each(|name| drop(members.remove(*name)));
    }
}

fn written(node: &Node, components: &BTreeMap<String, Node>) -> Option<(String, Scope)> {
    let name = node.references.first()?;
    let view = kinds::written(name)?;
    Some((view.to_owned(), components.get(name)?.scope?))
}

impl Node {
    fn of(schema: &Value) -> Self {
        let reference = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let alternatives = ["oneOf", "anyOf", "allOf"]
            .iter()
            .flat_map(|name| schema[*name].as_array().into_iter().flatten());
        let members = schema["properties"].as_object().into_iter().flatten();
        let items = Some(Node::of_some(&schema["items"])).filter(|node| !node.is_bare());
        Self {
            scope: schema[READ_SCOPE].as_str().and_then(Scope::named),
            is_entry: false,
            references: reference.into_iter().map(str::to_owned).collect(),
            alternatives: alternatives
                .map(Node::of)
                .filter(|node| !node.is_bare())
                .collect(),
            members: members
                .map(|(name, schema)| (name.clone(), Node::of(schema)))
                .filter(|(_, node)| !node.is_bare())
                .collect(),
            items: items.map(Box::new),
        }
    }

    fn of_some(schema: &Value) -> Self {
        match schema.is_object() {
            true => Self::of(schema),
            false => Self::default(),
        }
    }

    fn is_bare(&self) -> bool {
        self.scope.is_none()
            && self.references.is_empty()
            && self.alternatives.is_empty()
            && self.members.is_empty()
            && self.items.is_none()
    }

    /// All scopes that read something inside.
    fn gather(
        &self,
        components: &BTreeMap<String, Node>,
        seen: &mut BTreeSet<String>,
        scopes: &mut BTreeSet<Scope>,
    ) {
        scopes.extend(self.scope);
        if self.is_entry {
            scopes.extend(kinds::reading_any_entry());
        }
        for name in &self.references {
            if let (Some(node), true) = (components.get(name), seen.insert(name.clone())) {
                node.gather(components, seen, scopes);
            }
        }
        let inside = self.alternatives.iter().chain(self.members.values());
        for node in inside.chain(self.items.as_deref()) {
            node.gather(components, seen, scopes);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_receipt_repeats_what_was_sent_and_nothing_else() {
        let view = json!({"id": "x_1", "status": "open", "name": "Ada", "age": 3, "tags": ["a", "b"], "note": null,
            "company": {"name": "Secret"}});
        let sent = json!({"name": "Eve", "age": "3", "tags": ["a"], "note": null, "company": {"name": "Mine"},
            "more": 1});
        let receipt = receipt("LeadView", view.as_object().unwrap(), Some(&sent));
        assert_eq!(
            Value::Object(receipt),
            json!({"id": "x_1", "status": "open", "name": "Eve", "note": null})
        );
    }

    #[test]
    fn an_entry_comes_without_values_where_its_kind_is_not_read() {
        let entry =
            |kind: &str| json!({"type": kind, "data": {"a": 1}, "before": {}, "after": {}, "fields": ["a"]});
        let lacking = BTreeSet::from([Scope::DealsRead]);
        let shown = |kind: &str| {
            let mut entry = entry(kind);
            hide_values(&lacking, &mut entry);
            entry
        };
        assert_eq!(shown("lead.created"), entry("lead.created"));
        for hidden in ["deal.won", "pipeline.created", "unknown.happened"] {
            assert_eq!(shown(hidden), json!({"type": hidden, "fields": ["a"]}));
        }
    }
}
