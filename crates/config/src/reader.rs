//! A cursor over the tree: sections hand out fields, fields hand out values, problems collect.
//!
//! Every read returns an option and goes on, so that one pass finds everything. A section
//! remembers which names were asked for; the rest is unknown. `null` counts as absent, as in the
//! format's own loader.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use jsonc_parser::ast::{ObjectProp, Value};

use weir_types::ProviderName;

use crate::Loaded;
use crate::config::Config;
use crate::names;
use crate::options::Options;
use crate::report::{Draft, Problem, Report, Severity};
use crate::source::{Source, start};
use crate::suggest::nearest;

/// One reading of one file.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) options: &'a Options,
    source: &'a Source<'a>,
    problems: RefCell<Vec<Problem>>,
    /// Every path at or within which there is an error.
    erring: RefCell<HashSet<String>>,
    ignored: RefCell<Vec<(usize, String)>>,
    /// Whether values of variables are for this process to judge, here.
    judges: Cell<bool>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a Source<'a>, options: &'a Options) -> Self {
        let duplicates = source.duplicates();
        let mut erring = HashSet::new();
        duplicates.iter().for_each(|problem| note_error(&mut erring, &problem.path));
        let (problems, erring) = (RefCell::new(duplicates), RefCell::new(erring));
        let judges = Cell::new(options.only.is_none());
        Self { options, source, problems, erring, ignored: RefCell::default(), judges }
    }

    /// How variables are looked up, where that is for this process to do.
    pub(crate) fn lookup(&self) -> Option<fn(&str) -> Option<String>> {
        self.options.variable.filter(|_| self.judges.get())
    }

    /// What follows belongs to `provider`; `None`: to no provider.
    pub(crate) fn enter(&self, provider: Option<&str>) {
        let only = self.options.only.as_ref().map(ProviderName::as_str);
        self.judges.set(only.is_none() || only == provider);
    }

    /// The whole file as a field.
    pub(crate) fn root(&'a self) -> Field<'a> {
        let value = self.source.tree();
        Field { reader: self, path: String::new(), at: start(value), value }
    }

    fn report(&self, draft: Draft, at: usize, path: &str) {
        let problem = self.source.place(draft, at, path.to_owned());
        if problem.severity == Severity::Error {
            note_error(&mut self.erring.borrow_mut(), path);
        }
        self.problems.borrow_mut().push(problem);
    }

    /// Whether an error was found at `path` or within it.
    pub(crate) fn has_error_within(&self, path: &str) -> bool {
        self.erring.borrow().contains(path)
    }

    /// How many problems there are so far, for [`Self::forget_warnings_since`].
    pub(crate) fn mark(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Drops the warnings after `mark`: they are about a part that turned out to be unused.
    pub(crate) fn forget_warnings_since(&self, mark: usize) {
        let mut problems = self.problems.borrow_mut();
        let kept = mark.min(problems.len());
        let later = problems.split_off(kept);
        problems.extend(later.into_iter().filter(|p| p.severity == Severity::Error));
    }

    /// The result of the reading: `config` if no error was found.
    pub(crate) fn conclude(&self, config: Option<Config>) -> Result<Loaded, Report> {
        let mut problems = self.problems.take();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        // A value that is looked at twice is reported twice.
        problems.dedup();
        if self.options.strict {
            for problem in &mut problems {
                problem.severity = Severity::Error;
            }
        }
        match config {
            Some(config) if problems.iter().all(|p| p.severity == Severity::Warning) => {
                let mut ignored = self.ignored.take();
                ignored.sort();
                let ignored = ignored.into_iter().map(|(_, path)| path).collect();
                Ok(Loaded { config, warnings: problems, ignored })
            }
            _ => Err(Report { problems }),
        }
    }
}

/// Adds `path` and all that it is within.
fn note_error(erring: &mut HashSet<String>, path: &str) {
    let mut path = path;
    while !erring.contains(path) {
        erring.insert(path.to_owned());
        let Some(step) = path.rfind(['.', '[']) else { return };
        path = &path[..step];
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) reader: &'a Reader<'a>,
    pub(crate) path: String,
    at: usize,
    pub(crate) value: &'a Value<'a>,
}

impl<'a> Field<'a> {
    /// Notes a problem with this value.
    pub(crate) fn report(&self, draft: Draft) {
        self.reader.report(draft, self.at, &self.path);
    }

    /// Notes that this section has no effect.
    pub(crate) fn ignore(&self) {
        self.reader.ignored.borrow_mut().push((self.at, self.path.clone()));
    }

    /// Notes that this value is not what it should be.
    pub(crate) fn wrong(&self, expected: impl Into<String>) {
        let draft = Draft::error("wrong type").expected(expected).found(self.found());
        self.report(draft);
    }

    /// What kind of value this is; numbers and words in full, texts never.
    pub(crate) fn found(&self) -> String {
        match self.value {
            Value::StringLit(_) => "a string".to_owned(),
            Value::NumberLit(number) => format!("the number {}", names::shown(number.value)),
            Value::BooleanLit(flag) => format!("{}", flag.value),
            Value::Object(_) => "an object".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::NullKeyword(_) => "null".to_owned(),
        }
    }

    /// Whether the value is an object.
    pub(crate) fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// The value as an object with a fixed set of names.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        let Value::Object(object) = self.value else {
            self.wrong("an object");
            return None;
        };
        let (reader, path, at) = (self.reader, self.path.clone(), self.at);
        Some(Section { reader, path, at, members: &object.properties, asked: Vec::new() })
    }

    /// The elements of a list.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let Value::Array(array) = self.value else {
            self.wrong("a list");
            return None;
        };
        let item = |(index, value): (usize, &'a Value<'a>)| {
            let path = format!("{}[{index}]", self.path);
            Self { reader: self.reader, path, at: start(value), value }
        };
        Some(array.elements.iter().enumerate().map(item).collect())
    }

    /// The members of an object whose names the user chooses; a name's second use is left out.
    pub(crate) fn members(&self) -> Option<Vec<(&'a str, Self)>> {
        let Value::Object(object) = self.value else {
            self.wrong("an object");
            return None;
        };
        let mut seen = HashSet::new();
        let first = object.properties.iter().filter(|member| seen.insert(member.name.as_str()));
        let field = |member| member_field(self.reader, &self.path, member);
        Some(first.map(|member| (member.name.as_str(), field(member))).collect())
    }
}

fn member_field<'a>(reader: &'a Reader<'a>, path: &str, member: &'a ObjectProp<'a>) -> Field<'a> {
    let path = format!("{path}{}", names::step(member.name.as_str()));
    let path = path.trim_start_matches('.').to_owned();
    Field { reader, path, at: start(&member.value), value: &member.value }
}

/// An object that is being read.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) reader: &'a Reader<'a>,
    pub(crate) path: String,
    at: usize,
    members: &'a [ObjectProp<'a>],
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Notes a problem with the object as a whole.
    pub(crate) fn report(&self, draft: Draft) {
        self.reader.report(draft, self.at, &self.path);
    }

    /// The field called `name`, if it is there and not null.
    pub(crate) fn field(&mut self, name: &'static str) -> Option<Field<'a>> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        let member = self.members.iter().find(|member| member.name.as_str() == name)?;
        let absent = matches!(member.value, Value::NullKeyword(_));
        (!absent).then(|| member_field(self.reader, &self.path, member))
    }

    /// The field called `name`, whose absence is an error.
    pub(crate) fn required(&mut self, name: &'static str, expected: &str) -> Option<Field<'a>> {
        let field = self.field(name);
        if field.is_none() {
            self.missing(name, expected);
        }
        field
    }

    /// Notes that a needed field is not there, or is empty.
    pub(crate) fn missing(&self, name: &str, expected: &str) {
        let path = format!("{}{}", self.path, names::step(name));
        let draft = Draft::error("missing field").expected(expected).found("nothing");
        self.reader.report(draft, self.at, path.trim_start_matches('.'));
    }

    /// Notes what was not asked for; each such field is an error.
    pub(crate) fn finish(self) {
        self.unknown(Severity::Error);
    }

    /// The same, but a warning if the user accepts that parts are ignored.
    pub(crate) fn finish_open(self) {
        let accepted = self.reader.options.accept_ignored;
        self.unknown(if accepted { Severity::Warning } else { Severity::Error });
    }

    fn unknown(&self, severity: Severity) {
        for member in self.members {
            let name = member.name.as_str();
            if self.asked.contains(&name) {
                continue;
            }
            let draft = match severity {
                Severity::Error => Draft::error("unknown field"),
                Severity::Warning => Draft::warning("unknown field, ignored"),
            };
            let draft = match nearest(name, self.asked.iter().copied()) {
                Some(meant) => {
                    draft.expected("a known field").help(format!("did you mean `{meant}`?"))
                }
                None => draft
                    .expected(format!("one of: {}", self.asked.join(", ")))
                    .help("remove it, or look for its right place in docs/configuration.md"),
            };
            let path = format!("{}{}", self.path, names::step(name));
            let draft = draft.found("a name that nothing here reads");
            self.reader.report(draft, member.range.start, path.trim_start_matches('.'));
        }
    }
}
