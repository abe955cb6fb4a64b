//! What a translation takes of memory beside the text that it is made from: the values that are read
//! and the text that is written. Knows no wire format.

use std::sync::Arc;

use memchr::memchr2_iter;
use weir_budget::{Budget, Hold, NoRoom};
use weir_types::{FailureClass, Fault};

/// What is shorter is translated in passing; it counts as what it was before.
const LARGE_BYTES: usize = 64 * 1024;
/// What an object or a list takes beside its text.
const VALUE_BYTES: usize = 96;

/// Room for the translation of a request, if it is a large one.
///
/// # Errors
/// There is none; a provider that needs no translation may have some.
pub(crate) async fn of_request(
    budget: Budget,
    document: &[u8],
) -> Result<Option<Arc<Hold>>, Fault> {
    let told = |none: NoRoom| match none {
        NoRoom::Now { .. } => Fault::from(none),
        NoRoom::Ever { .. } => Fault::from(none).with_class(FailureClass::Elsewhere),
    };
    of(budget, document).await.map(|hold| hold.map(Arc::new)).map_err(told)
}

/// Room for the translation of `text`, if it is a large one.
///
/// # Errors
/// There is none.
pub(crate) async fn of(budget: Budget, text: &[u8]) -> Result<Option<Hold>, NoRoom> {
    if text.len() <= LARGE_BYTES {
        return Ok(None);
    }
    let values = memchr2_iter(b'{', b'[', text).count();
    let bytes = text.len().saturating_mul(2).saturating_add(values.saturating_mul(VALUE_BYTES));
    let mut hold = budget.hold(Some(bytes)).made_of(text.len());
    hold.grow_to(bytes).await?;
    Ok(Some(hold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_large_text_takes_several_times_its_length_and_a_small_one_nothing() {
        let budget = Budget::new(16 << 20);
        assert!(of(budget, &[b'x'; LARGE_BYTES]).await.unwrap().is_none());
        let text = vec![b'x'; 1 << 20];
        let hold = of(budget, &text).await.unwrap().unwrap();
        assert_eq!(budget.used(), 2 << 20);
        drop(hold);
        // Many small values take more than their text.
        let values = "{},".repeat(30_000);
        let hold = of(budget, values.as_bytes()).await.unwrap().unwrap();
        assert!(hold.bytes() > 30_000 * VALUE_BYTES);
        drop(hold);
        let fault = of_request(budget, &vec![b'{'; 1 << 20]).await.unwrap_err();
        assert_eq!(fault.detail.class, Some(FailureClass::Elsewhere));
        assert_eq!(budget.used(), 0);
    }
}
