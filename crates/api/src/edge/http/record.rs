//! Plain records over HTTP: as an answer shows them, and merge patches of what may be edited of them. `D` is what a
//! request creates one by; the schemas of both are made of its schema, so that each member is described once.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use tandem_domain::instant::Timestamp;
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, Ref, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{Location, Problem, Violation};

type Schemas = Vec<(String, RefOr<Schema>)>;

/// A plain record as an answer shows it.
#[derive(Debug, Clone, Serialize)]
pub struct RecordView<I, D> {
    /// Its id.
    pub id: I,
    /// What may be edited of it.
    #[serde(flatten)]
    pub details: D,
    /// When it was archived; `null` if it is not.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A JSON merge patch (RFC 7396) of a plain record; `ARCHIVES` says whether its member `archived` archives and restores
/// the record.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchOf<D, const ARCHIVES: bool = false>(Map<String, Value>, PhantomData<D>);

impl<'de, D, const ARCHIVES: bool> Deserialize<'de> for PatchOf<D, ARCHIVES> {
    fn deserialize<R: Deserializer<'de>>(deserializer: R) -> Result<Self, R::Error> {
        Map::deserialize(deserializer).map(|members| Self(members, PhantomData))
    }
}

impl<D: Serialize + DeserializeOwned, const ARCHIVES: bool> PatchOf<D, ARCHIVES> {
    /// What the record is to be, and whether it is to be archived (`true`) or restored (`false`).
    ///
    /// The patch has been held against its schema, so that what it leaves of `known` can be read.
    pub fn apply(self, known: &D) -> Result<(D, Option<bool>), Problem> {
        let (mut whole, mut members) = (json!(known), self.0);
        let archived = members.remove("archived").and_then(|value| value.as_bool());
        merge(&mut whole, Value::Object(members));
        let read = D::deserialize(whole).map_err(|error| {
            tracing::error!(%error, "a merge patch that matches its schema cannot be deserialized");
            let detail = "does not have the documented form";
            Problem::invalid(vec![Violation::new(Location::body(), "invalid_format", detail)])
        })?;
        Ok((read, archived))
    }
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(known) = target.as_object_mut() else {
        return;
    };
    for (name, value) in members {
        if value.is_null() {
            known.remove(&name);
        } else {
            merge(known.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The name of a schema made of another one: `CreateCampaign` gives `CampaignView`.
fn named<D: ToSchema>(suffix: &str) -> Cow<'static, str> {
    let name = D::name();
    let noun = name.strip_prefix("Create").unwrap_or(&name);
    Cow::Owned(format!("{noun}{suffix}"))
}

fn object<D: ToSchema>() -> Object {
    match D::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::new(),
    }
}

fn reference<T: ToSchema>(description: &str) -> Ref {
    let mut reference = Ref::from_schema_name(T::name());
    reference.description = description.to_owned();
    reference
}

impl<D: ToSchema, const ARCHIVES: bool> PartialSchema for PatchOf<D, ARCHIVES> {
    fn schema() -> RefOr<Schema> {
        let mut patch = object::<D>();
        let text = "A JSON merge patch: omitted members stay, lists are replaced, `null` empties a member.";
        patch.description = Some(text.into());
        patch.required.clear();
        if ARCHIVES {
            let archived = ObjectBuilder::new()
                .schema_type(Type::Boolean)
                .description(Some("Whether it is archived."));
            patch.properties.insert("archived".into(), archived.into());
        }
        patch.into()
    }
}

impl<D: ToSchema, const ARCHIVES: bool> ToSchema for PatchOf<D, ARCHIVES> {
    fn name() -> Cow<'static, str> {
        named::<D>("Patch")
    }

    fn schemas(schemas: &mut Schemas) {
        D::schemas(schemas);
    }
}

impl<I: ToSchema, D: ToSchema> PartialSchema for RecordView<I, D> {
    fn schema() -> RefOr<Schema> {
        let mut view = object::<D>();
        view.additional_properties = None;
        let archived_at = OneOfBuilder::new()
            .item(reference::<Timestamp>(
                "When it was archived; `null` if it is not.",
            ))
            .item(ObjectBuilder::new().schema_type(Type::Null));
        let own: [(&str, RefOr<Schema>); 4] = [
            ("id", reference::<I>("Its id.").into()),
            ("archived_at", archived_at.into()),
            (
                "created_at",
                reference::<Timestamp>("When it was created.").into(),
            ),
            (
                "updated_at",
                reference::<Timestamp>("When it last changed.").into(),
            ),
        ];
        view.properties
            .extend(own.map(|(name, schema)| (name.to_owned(), schema)));
        view.required = view.properties.keys().cloned().collect();
        view.into()
    }
}

impl<I: ToSchema, D: ToSchema> ToSchema for RecordView<I, D> {
    fn name() -> Cow<'static, str> {
        named::<D>("View")
    }

    fn schemas(schemas: &mut Schemas) {
        D::schemas(schemas);
        schemas.push((I::name().into(), I::schema()));
        schemas.push((Timestamp::name().into(), Timestamp::schema()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct CreateTree {
        name: String,
        #[serde(default)]
        names: Vec<String>,
        height: Option<i64>,
        place: Option<Value>,
    }

    fn apply(patch: Value) -> (CreateTree, Option<bool>) {
        let known = CreateTree {
            name: "Oak".into(),
            names: vec!["Quercus".into()],
            height: Some(30),
            place: Some(json!({"garden": 1, "row": 2})),
        };
        let patch: PatchOf<CreateTree, true> = serde_json::from_value(patch).unwrap();
        patch.apply(&known).unwrap()
    }

    #[test]
    fn what_is_left_out_stays_and_null_empties() {
        let (same, archived) = apply(json!({}));
        assert_eq!((same.height, archived), (Some(30), None));
        let (changed, archived) =
            apply(json!({"names": ["a", "b"], "height": null, "place": {"row": 3}, "archived": true}));
        assert_eq!(changed.names, ["a", "b"]);
        assert_eq!((changed.height, archived), (None, Some(true)));
        assert_eq!(
            changed.place,
            Some(json!({"garden": 1, "row": 3})),
            "objects merge"
        );
    }

    #[test]
    fn schemas_are_made_of_one() {
        type Patch = PatchOf<CreateTree, true>;
        type View = RecordView<tandem_domain::id::LeadId, CreateTree>;
        assert_eq!(
            (Patch::name(), View::name()),
            ("TreePatch".into(), "TreeView".into())
        );
        let (patch, view) = (json!(Patch::schema()), json!(View::schema()));
        assert_eq!(patch["required"], Value::Null);
        assert_eq!(patch["properties"]["archived"]["type"], "boolean");
        assert_eq!(patch["additionalProperties"], false);
        assert_eq!(view["required"].as_array().map(Vec::len), Some(8));
        assert_eq!(view["additionalProperties"], Value::Null);
    }
}
