//! Stub.
/// Stub.
pub fn strip(
    _: &mut crate::ir::Chat,
    _: Option<weir_types::Dialect>,
    _: &mut crate::ir::Losses,
) -> bool {
    false
}
