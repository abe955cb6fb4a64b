//! What is true of a family of models wherever it is hosted, as rows of data.
//!
//! Which members a model takes depends on the model more than on the format: the same Claude is
//! behind Anthropic's Messages, Bedrock's Converse and Vertex. Formats ask here; no format is known.

pub mod claude;
pub mod gemini;
