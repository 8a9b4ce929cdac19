//! Which file of a crate uses which: by its `use` and by the paths in its code, tests left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::files;

/// The path of a module, from the crate's root.
type Module = Vec<String>;

/// The files of a crate, by module, and the modules whose files each of them uses.
pub struct Graph(BTreeMap<Module, BTreeSet<Module>>);

impl Graph {
    /// The graph of the sources in a folder.
    pub fn of(folder: &str) -> Self {
        let sources = files(folder, ".rs").into_iter().filter_map(|(name, text)| {
            let path = name.strip_prefix(folder)?.trim_start_matches('/').strip_suffix(".rs")?.to_owned();
            let module: Module = path.split('/').map(str::to_owned).collect();
            (!module.iter().any(|part| part == "tests")).then(|| (door(module), code(&text)))
        });
        let sources: BTreeMap<Module, String> = sources.collect();
        let doors = doors(&sources);
        let uses = |module: &Module, text: &str| {
            let paths = paths(text, false).into_iter().filter_map(|path| absolute(module, path, &doors));
            paths.filter(|used| used != module).collect()
        };
        Self(sources.iter().map(|(module, text)| (module.clone(), uses(module, text))).collect())
    }

    /// Every use of a file in one room by a file in another: the two files.
    pub fn between_rooms(&self) -> impl Iterator<Item = (String, String)> {
        let uses = self.0.iter().flat_map(|(file, used)| used.iter().map(move |used| (file, used)));
        let other = uses.filter(|(file, used)| file.first().is_some_and(|room| used.first() != Some(room)));
        other.map(|(file, used)| (file.join("::"), used.join("::")))
    }

    /// Files that use each other, directly or through others.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> =
            self.0.keys().map(|module| (module, self.reached_from(module))).collect();
        let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
        for (module, reached) in &reach {
            let circle: Vec<String> = reached
                .iter()
                .filter(|other| reach[*other].contains(*module))
                .map(|other| other.join("::"))
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn reached_from<'a>(&'a self, module: &'a Module) -> BTreeSet<&'a Module> {
        let mut reached = BTreeSet::new();
        let mut open = vec![module];
        while let Some(next) = open.pop() {
            open.extend(self.0[next].iter().filter(|used| reached.insert(*used)));
        }
        reached
    }
}

/// `mod.rs` and `lib.rs` are the module of their folder.
fn door(mut module: Module) -> Module {
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// A source without its comments and its unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.fold(String::new(), |code, line| code + line + "\n")
}

/// The names that the file of each module passes on from modules of its own (`pub use child::Name`), by where they are.
type Doors = BTreeMap<Module, BTreeMap<String, Module>>;

fn doors(sources: &BTreeMap<Module, String>) -> Doors {
    let passed_on = |module: &Module, text: &str| {
        let paths = paths(text, true).into_iter();
        let of_child = paths.filter_map(|path| {
            let child: Module = module.iter().cloned().chain([path.first()?.clone()]).collect();
            sources.contains_key(&child).then_some((path.last()?.clone(), child))
        });
        of_child.collect()
    };
    sources.iter().map(|(module, text)| (module.clone(), passed_on(module, text))).collect()
}

/// The paths that a source names: those that it passes on by `pub use`; or those of each other `use`, and what begins with
/// `crate::` or `super::` elsewhere.
fn paths(code: &str, passed_on: bool) -> Vec<Vec<String>> {
    let (mut found, mut rest) = (vec![], String::new());
    for statement in code.split_inclusive(';') {
        let begin = statement.rfind("use ").filter(|at| {
            let before = statement[..*at].rsplit('\n').next().unwrap_or_default().trim();
            before.is_empty() || (before.starts_with("pub") && !before.contains(' '))
        });
        let Some(begin) = begin else {
            rest.push_str(statement);
            continue;
        };
        let (before, tree) = statement.split_at(begin);
        let is_public = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
        rest.push_str(before);
        if is_public == passed_on {
            expand(tree["use ".len()..].trim_end_matches(';'), &[], &mut found);
        }
    }
    for root in ["crate", "super"].into_iter().filter(|_| !passed_on) {
        for tail in rest.split(&format!("{root}::")).skip(1) {
            let path = tail.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next();
            let path = path.unwrap_or_default().split("::").map(str::to_owned);
            found.push([root.to_owned()].into_iter().chain(path).collect());
        }
    }
    found
}

/// The paths of a tree such as `crate::{a::B, c::{self, D}}`.
fn expand(tree: &str, base: &[String], found: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let (path, group) = match tree.split_once('{') {
        Some((path, group)) => (path, group.strip_suffix('}')),
        None => (tree.split(" as ").next().unwrap_or_default(), None),
    };
    let parts =
        path.split("::").map(str::trim).filter(|part| !part.is_empty() && !matches!(*part, "*" | "self"));
    let path: Vec<String> = base.iter().cloned().chain(parts.map(str::to_owned)).collect();
    let Some(group) = group else {
        found.push(path);
        return;
    };
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[begin..at].trim().is_empty() {
                    expand(&group[begin..at], &path, found);
                }
                begin = (at + 1).min(group.len());
            }
            _ => {}
        }
    }
}

/// The module of this crate whose file a path leads to, if to one; through doors to where the name stands.
fn absolute(module: &Module, path: Vec<String>, doors: &Doors) -> Option<Module> {
    let mut parts = path.into_iter().peekable();
    let mut found = match parts.peek()?.as_str() {
        "crate" => vec![],
        "super" => module.clone(),
        child => {
            let inner: Module = module.iter().cloned().chain([child.to_owned()]).collect();
            doors.contains_key(&inner).then(|| module.clone())?
        }
    };
    while parts.next_if(|part| part == "crate").is_some() {}
    while parts.next_if(|part| part == "super").is_some() {
        found.pop();
    }
    found.extend(parts);
    let mut name = None;
    while !found.is_empty() && !doors.contains_key(&found) {
        name = found.pop();
    }
    while let Some(child) = name.as_ref().and_then(|name| doors.get(&found)?.get(name)) {
        found = child.clone();
    }
    (!found.is_empty()).then_some(found)
}
