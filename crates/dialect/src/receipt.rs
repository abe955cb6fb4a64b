//! Answers that are not there at once: what a provider gives in their place says where to look.
//!
//! Who looks, how often and for how long, whoever asked decides.

/// What is to be done for an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The next step.
    pub next: Next,
    /// A `POST` to this address ends the work on the answer, while there is a next step.
    pub cancel: Option<String>,
    /// The document about the answer: it says what a stream of events leaves unsaid, when that has
    /// ended.
    pub document: Option<String>,
}

/// Where an answer is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Next {
    /// Here.
    #[default]
    Here,
    /// Not there yet: a `GET` of this address after a while tells more.
    Later(String),
    /// A `GET` of this address gives its events.
    Events(String),
}
