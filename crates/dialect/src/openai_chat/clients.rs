//! How clients of this format differ in what they can read, as rows: one for each form of it.
//!
//! A host that answers in the form that its client reads is not met here: its bytes pass as they are.

use weir_types::Form;

/// What is written for the clients of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    /// A call comes in one piece of a stream, with all of its arguments.
    pub(super) whole_calls: bool,
    /// A stream ends with the tokens, asked for or not.
    pub(super) always_counted: bool,
    /// Vectors come under an id.
    pub(super) named_vectors: bool,
}

const OPENAI: Client = Client { whole_calls: false, always_counted: false, named_vectors: false };

/// Mistral's SDK wants a name in every piece of a call, and an id with vectors; its streams are not
/// asked for tokens and tell them. <https://docs.mistral.ai/api/>
const MISTRAL: Client = Client { whole_calls: true, always_counted: true, named_vectors: true };

impl Client {
    /// Those of `form`.
    pub(super) const fn of(form: Form) -> Self {
        match form {
            Form::Mistral => MISTRAL,
            Form::Usual | Form::Single | Form::Objects => OPENAI,
        }
    }
}
