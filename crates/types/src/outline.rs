//! Where the members of a request's JSON stand: what one room has found, so that the next need not look
//! again. Knows no JSON; whoever uses it checks it against the bytes.

use std::sync::Arc;

/// Four positions for each member of the outermost object: begin and end of the name, quotes included,
/// begin and end of the value. In bytes of the body, in order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline(Arc<[u32]>);

impl Outline {
    /// Of so many members at most: no API has more, and what a peer says is bounded.
    pub const MEMBERS_MAX: usize = 64;

    /// From positions, four for each member; `None` if they are not as many, or too many.
    #[must_use]
    pub fn new(positions: &[u32]) -> Option<Self> {
        let fits = !positions.is_empty()
            && positions.len().is_multiple_of(4)
            && positions.len() <= Self::MEMBERS_MAX * 4;
        fits.then(|| Self(positions.into()))
    }

    /// The positions.
    #[must_use]
    pub fn positions(&self) -> &[u32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_in_fours_and_are_bounded() {
        assert_eq!(Outline::new(&[1, 4, 5, 6]).unwrap().positions(), [1, 4, 5, 6]);
        assert!(Outline::new(&[]).is_none() && Outline::new(&[1, 4, 5]).is_none());
        let most = vec![0; Outline::MEMBERS_MAX * 4];
        assert!(Outline::new(&most).is_some());
        assert!(Outline::new(&[&most[..], &[0; 4]].concat()).is_none());
    }
}
