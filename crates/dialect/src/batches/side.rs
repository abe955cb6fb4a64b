//! The two files of a batch that is made of its requests: what goes into it and what comes out. Neither
//! is a thing of its own, so their ids are the batch's.

use serde_json::Value;

use super::document::{INPUT, OUTPUT};
use super::{Batch, File, FilePage, id};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Its requests.
    Input,
    /// Their results.
    Output,
}

impl Side {
    const fn beginning(self) -> &'static str {
        match self {
            Self::Input => "in/",
            Self::Output => "out/",
        }
    }

    const fn purpose(self) -> &'static str {
        match self {
            Self::Input => INPUT,
            Self::Output => OUTPUT,
        }
    }

    /// The file's id, of the batch that the vendor calls `own`.
    #[must_use]
    pub fn id(self, own: &str) -> String {
        id::file(&format!("{}{own}", self.beginning()))
    }

    /// Which file of which batch an id says.
    #[must_use]
    pub fn of_id(id: &str) -> Option<(Self, String)> {
        let said = id::of_file(id)?;
        let side = [Self::Input, Self::Output]
            .into_iter()
            .find_map(|side| Some((side, said.strip_prefix(side.beginning())?.to_owned())));
        side.filter(|(_, own)| !own.is_empty())
    }

    /// The file, if it is there. How long it is, nobody knows any more.
    #[must_use]
    pub fn of(self, batch: &Batch) -> Option<File> {
        let own = id::of_batch(&batch.id)?;
        let id = match self {
            Self::Input => batch.input.clone()?,
            Self::Output => batch.output.clone()?,
        };
        let purpose = self.purpose();
        let filename = format!("{own}_{purpose}.jsonl");
        let created = match self {
            Self::Input => batch.created,
            Self::Output => batch.ended.unwrap_or(batch.created),
        };
        Some(File { id, purpose: purpose.to_owned(), filename, bytes: 0, created, tag: None })
    }
}

/// The files of `batch` that `page` asks for, the newer one first.
pub fn files(batch: &Batch, page: &FilePage) -> impl Iterator<Item = Value> {
    let sides = [Side::Output, Side::Input].into_iter().filter(|side| page.has(side.purpose()));
    let files: Vec<_> = sides.filter_map(|side| Some(side.of(batch)?.document())).collect();
    files.into_iter()
}
