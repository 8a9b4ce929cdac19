//! `#[tandem_tests::test]`: one test, run on each database.

use proc_macro::{Group, Ident, TokenStream, TokenTree};

/// Run an `async fn` on SQLite as `name::sqlite` and on PostgreSQL as `name::postgres`.
///
/// Its one argument says what it is given: `&TestApp`, a running service, or `&Database`, a bare database.
/// `#[tandem_tests::test(postgres)]` runs it on PostgreSQL alone, as `name`: what several servers do to one database.
/// Further attributes, such as `#[ignore]`, apply to each run.
#[proc_macro_attribute]
pub fn test(on: TokenStream, item: TokenStream) -> TokenStream {
    match (Story::parse(item), on.to_string().as_str()) {
        (Some(story), "") => story.on_both(),
        (Some(story), "postgres") => story.on_postgres(),
        (Some(_), _) => rust("compile_error!(\"the only argument is `postgres`\");"),
        (None, _) => rust("compile_error!(\"a test is an `async fn`\");"),
    }
}

/// A test function: its name, what stands before it, and the function itself under the name `story`.
struct Story {
    name: Ident,
    attributes: TokenStream,
    function: TokenStream,
}

impl Story {
    fn parse(item: TokenStream) -> Option<Self> {
        let is = |token: &TokenTree, word: &str| matches!(token, TokenTree::Ident(ident) if ident.to_string() == word);
        let mut attributes: Vec<TokenTree> = item.into_iter().collect();
        let start = attributes.iter().position(|token| is(token, "async"))?;
        let mut function = attributes.split_off(start);
        match function.get_mut(1..3)? {
            [keyword, TokenTree::Ident(ident)] if is(keyword, "fn") => {
                let name = std::mem::replace(ident, Ident::new("story", ident.span()));
                Some(Self {
                    name,
                    attributes: attributes.into_iter().collect(),
                    function: function.into_iter().collect(),
                })
            }
            _ => None,
        }
    }

    fn on_both(self) -> TokenStream {
        self.fill(rust(
            "mod NAME {
                #[allow(unused_imports, reason = \"a test may need nothing of its file\")]
                use super::*;
                FUNCTION
                ATTRIBUTES #[::core::prelude::v1::test]
                fn sqlite() { ::tandem_tests::run(::tandem_tests::Backend::Sqlite, story); }
                ATTRIBUTES #[::core::prelude::v1::test]
                fn postgres() { ::tandem_tests::run(::tandem_tests::Backend::Postgres, story); }
            }",
        ))
    }

    fn on_postgres(self) -> TokenStream {
        self.fill(rust(
            "ATTRIBUTES #[::core::prelude::v1::test]
            fn NAME() {
                FUNCTION
                ::tandem_tests::run(::tandem_tests::Backend::Postgres, story);
            }",
        ))
    }

    /// A text of Rust in which NAME, ATTRIBUTES and FUNCTION stand for the parts, which keep their places in the source.
    fn fill(&self, template: TokenStream) -> TokenStream {
        let part = |token: TokenTree| match token {
            TokenTree::Group(group) => {
                TokenTree::from(Group::new(group.delimiter(), self.fill(group.stream()))).into()
            }
            TokenTree::Ident(ident) => match ident.to_string().as_str() {
                "NAME" => TokenTree::from(self.name.clone()).into(),
                "ATTRIBUTES" => self.attributes.clone(),
                "FUNCTION" => self.function.clone(),
                _ => TokenTree::from(ident).into(),
            },
            token => token.into(),
        };
        template.into_iter().map(part).collect()
    }
}

fn rust(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
}
