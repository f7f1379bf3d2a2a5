//! A standard queue of SQS, and the dead-letter queue behind it.
//!
//! * A message that was received is in flight until it is deleted, also while it waits to become visible again. At some
//!   120,000 in flight, no further message is received (Amazon SQS Developer Guide, "Amazon SQS message quotas").
//! * A message that was received `maxReceiveCount` times goes to the dead-letter queue instead of being received again
//!   ("Using dead-letter queues in Amazon SQS").
//! * With a `MessageGroupId`, a standard queue is fair: while groups have messages, the group with the fewest in flight
//!   is served first ("Amazon SQS fair queues": the tenant with disproportionally many messages in flight waits).
//!
//! The visibility timeout is not modelled: it is six times as long as an invocation, and no container crashes here.

use std::collections::VecDeque;

use crate::time::Ms;

/// About so many messages can be in flight (Amazon SQS Developer Guide, "Amazon SQS message quotas").
const MOST_IN_FLIGHT: usize = 120_000;
/// The template's `maxReceiveCount`.
const MAX_RECEIVE_COUNT: u16 = 40;

/// Which message.
pub type MessageId = u32;

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Its relay.
    pub relay: u32,
    /// Its `MessageGroupId`.
    group: u16,
    /// Its `ApproximateReceiveCount`.
    pub receives: u16,
    /// Its `SentTimestamp`.
    pub sent: Ms,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    messages: Vec<Message>,
    free: Vec<MessageId>,
    groups: Vec<Group>,
    in_flight: usize,
    /// The most messages that were in flight at any time.
    pub most_in_flight: usize,
    /// How many were sent.
    pub sent: u64,
    /// The relays of the messages in the dead-letter queue.
    pub dead: Vec<u32>,
}

#[derive(Debug, Default, Clone)]
struct Group {
    visible: VecDeque<MessageId>,
    in_flight: usize,
}

impl Queue {
    /// A queue for messages of so many groups.
    pub fn new(groups: usize) -> Self {
        Self {
            messages: Vec::new(),
            free: Vec::new(),
            groups: vec![Group::default(); groups.max(1)],
            in_flight: 0,
            most_in_flight: 0,
            sent: 0,
            dead: Vec::new(),
        }
    }

    /// How many messages there are, visible or in flight.
    pub fn held(&self) -> usize {
        self.messages.len() - self.free.len()
    }

    /// How many messages are visible: `ApproximateNumberOfMessages`.
    pub fn visible(&self) -> usize {
        self.groups.iter().map(|group| group.visible.len()).sum()
    }

    /// Sends a message.
    pub fn send(&mut self, relay: u32, group: usize, now: Ms) {
        let group = group % self.groups.len();
        let message = Message {
            relay,
            group: u16::try_from(group).unwrap_or(u16::MAX),
            receives: 0,
            sent: now,
        };
        self.sent += 1;
        let id = match self.free.pop() {
            Some(id) => {
                self.messages[id as usize] = message;
                id
            }
            None => {
                self.messages.push(message);
                MessageId::try_from(self.messages.len() - 1).expect("fewer messages than 2^32")
            }
        };
        self.groups[group].visible.push_back(id);
    }

    /// A message.
    pub fn message(&self, id: MessageId) -> Message {
        self.messages[id as usize]
    }

    /// Receives the next visible messages, `most` at most. Those that were received too often become dead letters.
    pub fn receive(&mut self, most: usize) -> Vec<MessageId> {
        let mut received = Vec::with_capacity(most);
        while received.len() < most && self.in_flight < MOST_IN_FLIGHT {
            let with_some = self.groups.iter_mut().filter(|it| !it.visible.is_empty());
            let Some(group) = with_some.min_by_key(|group| group.in_flight) else {
                break;
            };
            let Some(id) = group.visible.pop_front() else {
                break;
            };
            let message = &mut self.messages[id as usize];
            if message.receives >= MAX_RECEIVE_COUNT {
                self.dead.push(message.relay);
                self.free.push(id);
                continue;
            }
            message.receives += 1;
            group.in_flight += 1;
            self.in_flight += 1;
            self.most_in_flight = self.most_in_flight.max(self.in_flight);
            received.push(id);
        }
        received
    }

    /// Deletes a message that was received.
    pub fn delete(&mut self, id: MessageId) {
        self.leave_flight(id);
        self.free.push(id);
    }

    /// Makes a message that was received visible again.
    pub fn show(&mut self, id: MessageId) {
        let group = self.leave_flight(id);
        group.visible.push_back(id);
    }

    fn leave_flight(&mut self, id: MessageId) -> &mut Group {
        self.in_flight -= 1;
        let group = &mut self.groups[usize::from(self.messages[id as usize].group)];
        group.in_flight -= 1;
        group
    }
}
