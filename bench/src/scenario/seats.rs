//! Who sits where.

use std::collections::BTreeSet;

use crate::driver::{Address, Cast, CastPlan};

use super::run::Run;

/// A connection of the load.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    /// The number of its node. Numbers above theirs begin again with the first.
    pub(crate) node: usize,
    /// The number of its document.
    pub(crate) document: usize,
    /// The number of its user.
    pub(crate) user: usize,
    /// Its number as a sender, if it sends.
    pub(crate) sends: Option<usize>,
    /// The numbers of the senders whose events it must receive.
    pub(crate) receives: Vec<usize>,
}

/// A seat with what its connection needs.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) seat: Seat,
    pub(crate) address: Address,
    pub(crate) token: String,
    /// The id of the document.
    pub(crate) document: String,
}

/// The seats of a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Seats(pub(crate) Vec<Seat>);

impl Seats {
    /// Returns two seats for each document, on different nodes. Both send, and each receives the other.
    pub(crate) fn pairs(documents: usize, per_user: usize) -> Self {
        let seat = |number: usize| Seat {
            node: number,
            document: number / 2,
            user: number / per_user,
            sends: Some(number),
            receives: vec![number ^ 1],
        };
        Self((0..documents * 2).map(seat).collect())
    }

    /// Returns `per_document` seats for each document. The first one of each sends to the others.
    pub(crate) fn audiences(documents: usize, per_document: usize, per_user: usize) -> Self {
        let seat = |number: usize| {
            let (document, place) = (number / per_document, number % per_document);
            Seat {
                node: number,
                document,
                user: number / per_user,
                sends: (place == 0).then_some(document),
                receives: if place == 0 { vec![] } else { vec![document] },
            }
        };
        Self((0..documents * per_document).map(seat).collect())
    }

    /// Returns the number of senders.
    pub(crate) fn senders(&self) -> usize {
        self.0.iter().filter(|seat| seat.sends.is_some()).count()
    }

    /// Returns what the connections of all seats need.
    pub(crate) fn targets(&self, run: &Run<'_>, cast: &Cast) -> Vec<Target> {
        let target = |seat: &Seat| Target {
            seat: seat.clone(),
            address: run.deployment.address(seat.node).clone(),
            token: cast.users[seat.user].token.clone(),
            document: cast.documents[seat.document].clone(),
        };
        self.0.iter().map(target).collect()
    }

    /// Returns the number of documents.
    pub(crate) fn documents(&self) -> usize {
        self.0.iter().map(|seat| seat.document + 1).max().unwrap_or(0)
    }

    /// Creates the users and documents of the seats.
    ///
    /// # Errors
    /// The server refuses a user or a document.
    pub(crate) async fn cast(&self, run: &Run<'_>, content: &str) -> anyhow::Result<Cast> {
        let users = self.0.iter().map(|seat| seat.user + 1).max().unwrap_or(1);
        let mut members = vec![Vec::new(); self.documents()];
        let mut known = BTreeSet::new();
        for seat in &self.0 {
            if known.insert((seat.document, seat.user)) {
                members[seat.document].push(seat.user);
            }
        }
        let plan = CastPlan { users, members, content };
        Cast::assemble(&run.deployment.http()?, &run.deployment.tokens, plan).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_of_a_pair_receive_each_other() {
        let Seats(seats) = Seats::pairs(3, 1);
        assert_eq!(seats.len(), 6);
        assert_eq!((seats[4].document, seats[5].document), (2, 2));
        assert_eq!((seats[4].receives.clone(), seats[5].receives.clone()), (vec![5], vec![4]));
    }

    #[test]
    fn an_audience_receives_its_sender_only() {
        let seats = Seats::audiences(2, 3, 8);
        assert_eq!(seats.senders(), 2);
        assert!(seats.0[3].receives.is_empty());
        assert_eq!(seats.0[5].receives, [1]);
    }
}
