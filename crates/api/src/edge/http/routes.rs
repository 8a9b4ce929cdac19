//! The paths of the document with their methods.

use actix_web::dev::ResourceDef;
use serde_json::Value;

/// The paths of the document with their methods.
#[derive(Debug)]
pub struct Routes(Vec<(ResourceDef, String)>);

impl Routes {
    /// The routes that a document describes.
    pub fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        Self(
            paths
                .map(|(path, item)| {
                    let methods = item
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(method, _)| method.to_uppercase());
                    let mut methods: Vec<String> = methods.filter(|method| method != "PARAMETERS").collect();
                    if methods.iter().any(|method| method == "GET") {
                        methods.push("HEAD".into());
                    }
                    methods.sort();
                    (ResourceDef::new(path.as_str()), methods.join(", "))
                })
                .collect(),
        )
    }

    /// The methods of a path, if there is such a path.
    pub fn allowed(&self, path: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(pattern, _)| pattern.is_match(path))
            .map(|(_, methods)| methods.as_str())
    }
}
