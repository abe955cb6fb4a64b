//! Tokens that somebody else keeps fresh in a file: they are read anew whenever they are needed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use weir_types::Secret;

/// A token is shorter.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The text of the file, without blanks around it.
///
/// # Errors
/// The file's path and what is wrong.
pub(super) async fn read_token(path: &Path) -> Result<Secret, String> {
    let name = path.display().to_string();
    let path = path.to_owned();
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok::<String, std::io::Error>(text)
    });
    let text = text.await.map_err(|error| format!("{name}: {error}"))?;
    let text = text.map_err(|error| format!("{name}: {error}"))?;
    match text.trim() {
        "" => Err(format!("{name} is empty")),
        token => Ok(Secret::new(token.to_owned())),
    }
}
