//! A node with everything that generated operations name, and the measurement of what one of them costs.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use coscribe::domain::DocumentId;
use kit::{
    Application, Client as _, Node as _, Person, RawSocket, ServerFrame, Socket, TestNode,
    TokenMinter, within,
};
use serde_json::{Value, json};
use tokio::{select, sync::Mutex, time::Instant};

use super::{arguments::Names, operations::Operation, sdl::Kind};
use crate::MEMORY;

/// The largest text of a document.
const TEXT: usize = 20_000;

/// The longest answer: the least that may be configured for texts of that size.
const ANSWER: usize = 6 * TEXT + 1_048_576;

/// The most bytes of an answer and what surrounds it.
const MAX_ANSWER: usize = ANSWER + 4_096;

/// The most memory that an operation may take, in the node and in this test, which reads the answer.
const MAX_MEMORY: usize = 32 * 1024 * 1024;

/// The longest time that an operation of a bystander may take. It is wide, because it has to hold on a busy machine.
const MAX_LATENCY: Duration = Duration::from_secs(5);

/// The codes with which the server may refuse an operation.
const REFUSALS: [&str; 8] = [
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_USER_INPUT",
    "CONFLICT",
    "RATE_LIMITED",
    "QUOTA_EXCEEDED",
    "UNAVAILABLE",
];

/// The mutations that may end the attacker's sign-in, and with it the socket.
const ENDING_SIGN_INS: [&str; 3] = ["signOut", "changePassword", "signOutEverywhere"];

/// The mutation that deletes the account of its caller.
const DELETING_ACCOUNTS: &str = "deleteAccount";

/// The mutations that only an application may send.
const OF_APPLICATIONS: [&str; 3] = ["askAgain", "changeGroup", "endDocumentTokens"];

/// A node, an attacker with a document of a long text, a peer who works in it, and a bystander.
pub(crate) struct Surroundings {
    /// The node.
    pub(crate) node: TestNode,
    bystander: Socket,
    attacker: RefCell<Person>,
    /// An application that attacks as well.
    application: Person,
    peer: Person,
    /// The attacker's socket, which has the document open.
    socket: Mutex<RawSocket>,
    peers_socket: Socket,
    document: DocumentId,
    /// The document that mutations may change and delete.
    victim: Cell<DocumentId>,
    /// A document in the attacker's bin.
    binned: Cell<DocumentId>,
    /// The secrets of an invitation and a link to a document of the peer.
    secrets: [String; 2],
    /// A document of the peer that the attacker was granted.
    granted: DocumentId,
    operations: Cell<u64>,
}

/// What became of an operation.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The codes of its errors.
    codes: Vec<String>,
}

impl Outcome {
    /// Returns whether there is no error.
    pub(crate) fn is_ok(&self) -> bool {
        self.codes.is_empty()
    }

    /// Returns whether it was refused for what it asks for, so that less of it may be accepted.
    pub(crate) fn is_too_much(&self) -> bool {
        self.codes.iter().any(|code| code == "BAD_USER_INPUT")
    }
}

impl Surroundings {
    /// Starts the node. Rates are high, because the tests are about the cost of one operation.
    pub(crate) async fn start() -> Self {
        let node = TestNode::start_with(&[
            ("COSCRIBE__LIMITS__DOCUMENT", &TEXT.to_string()),
            ("COSCRIBE__LIMITS__ANSWER", &ANSWER.to_string()),
            ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "1000000"),
            ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000000"),
            ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1000000"),
            ("COSCRIBE__LIMITS__CURSORS_PER_SECOND", "1000000"),
            ("COSCRIBE__LIMITS__REGISTRATIONS_PER_HOUR", "1000000"),
            ("COSCRIBE__LIMITS__ADDRESS_LOOK_UPS_PER_HOUR", "1000000"),
            ("COSCRIBE__LIMITS__GRANTS_PER_HOUR", "1000000"),
            ("COSCRIBE__LIMITS__GRANTS_TO_USER_PER_HOUR", "1000000"),
            ("COSCRIBE__AUTH__GUESTS_PER_LINK", "1000000"),
        ])
        .await;
        let [bystander, attacker, peer] =
            [node.person("Alice").await, node.person("Mallory").await, node.person("Bob").await];
        let application = Application::register(&node, "wiki").await.itself(&node).await;
        let document = attacker.create_shared_document(&[&peer]).await;
        // Six bytes of JSON each, in the text, the update and the delta.
        attacker.write(document, &"\u{1}".repeat(TEXT - 1_000)).await.value();
        for author in [&attacker, &peer].into_iter().cycle().take(20) {
            author.insert(document, "x").await;
        }
        for number in 0..30 {
            attacker.create_document(&format!("Document {number}"), "text").await;
        }
        let socket = open(&attacker, document).await;
        let peers_socket = peer.connect().await;
        peers_socket.subscribe("cursorMoved", document).await;
        let join = "mutation($ids: [ID!]!) { changeGroup(group: \"text\", joining: $ids) }";
        application.run(join, json!({ "ids": [attacker.id] })).await.value();
        let secrets = link_secrets(&peer).await;
        let granted = peer.create_shared_document(&[&attacker]).await;
        let [victim, binned] = [document; 2].map(Cell::new);
        let operations = Cell::new(0);
        let (bystander, socket) = (bystander.connect().await, Mutex::new(socket));
        let surroundings = Self {
            node,
            bystander,
            attacker: RefCell::new(attacker),
            application,
            peer,
            socket,
            peers_socket,
            document,
            victim,
            binned,
            secrets,
            granted,
            operations,
        };
        surroundings.renew_victim().await;
        surroundings
    }

    /// Stops the node.
    pub(crate) async fn stop(self) {
        drop((self.bystander, self.socket, self.peers_socket));
        self.node.stop().await;
    }

    /// Returns the names for the operations of a root field.
    pub(crate) fn names(&self, kind: Kind, root: &str) -> Names {
        // A cursor needs a session that has the document open.
        let is_about_victim = kind == Kind::Mutation && root != "updateCursor";
        let document = match root {
            // Owners accept nothing.
            "acceptAccess" => self.granted,
            "undelete" | "purge" => self.binned.get(),
            _ if is_about_victim => self.victim.get(),
            _ => self.document,
        };
        let [invitation, link] = self.secrets.clone();
        Names {
            invitation,
            link,
            document: document.to_string(),
            peer: self.peer.id.to_string(),
            email: self.attacker.borrow().email.clone(),
            new_email: format!("new-{}@example.org", self.next_number()),
        }
    }

    /// Runs an operation while a bystander works. Checks the bounds of its answer, its memory and the bystander's latency,
    /// and that every error is a documented refusal.
    pub(crate) async fn run(&self, kind: Kind, operation: &Operation) -> Outcome {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let (answer, ()) =
            tokio::join!(self.answer(kind, operation), self.expect_bystander_served());
        let taken = MEMORY.peak_usage().saturating_sub(before);
        let shown = operation.text.chars().take(300).collect::<String>();
        assert!(answer.len() <= MAX_ANSWER, "{} bytes of answer: {shown}", answer.len());
        assert!(taken <= MAX_MEMORY, "{taken} bytes of memory: {shown}");

        let message: Value = serde_json::from_str(&answer).unwrap();
        let result = &message["payload"];
        let errors = result.get("errors").unwrap_or(result).as_array();
        let codes = errors.into_iter().flatten().map(|error| {
            let code = error["extensions"]["code"].as_str().unwrap_or("none");
            assert!(REFUSALS.contains(&code), "{error}: {shown}");
            code.to_owned()
        });
        let codes: Vec<_> = codes.collect();
        assert!(!codes.is_empty() || result["data"].is_object(), "no data and no error: {shown}");
        let outcome = Outcome { codes };
        if kind == Kind::Mutation && !outcome.is_too_much() {
            self.renew_victim().await;
        }
        outcome
    }

    /// Returns the first message that answers an operation: its result, its first event or its refusal.
    async fn answer(&self, kind: Kind, Operation { text, variables }: &Operation) -> String {
        if kind == Kind::Mutation && OF_APPLICATIONS.iter().any(|name| text.contains(name)) {
            let body = json!({ "query": text, "variables": variables });
            return json!({ "payload": self.application.send(&body).await.json() }).to_string();
        }
        if kind == Kind::Mutation && ENDING_SIGN_INS.iter().any(|name| text.contains(name)) {
            return self.answer_over_http(text, variables).await;
        }
        if kind == Kind::Mutation && text.contains(DELETING_ACCOUNTS) {
            // Of a user who is needed for nothing else.
            let leaver = self.node.person(&format!("Leaver-{}", self.next_number())).await;
            let reply = leaver.send(&json!({ "query": text, "variables": variables })).await;
            return json!({ "payload": reply.json() }).to_string();
        }
        let id = self.next_number().to_string();
        let mut socket = self.socket.lock().await;
        socket.start_with(&id, text, variables.clone()).await;
        if kind != Kind::Subscription {
            return first_of(&mut socket, &id).await;
        }
        let first = select! {
            biased;
            first = first_of(&mut socket, &id) => first,
            () = self.stir() => unreachable!("it has no end"),
        };
        socket.complete(&id).await;
        first
    }

    /// Returns the answer to an operation that may end the attacker's sign-in, as a message of a socket. Then signs the attacker in
    /// again.
    async fn answer_over_http(&self, text: &str, variables: &Value) -> String {
        let attacker = self.attacker.borrow().clone();
        let reply = attacker.send(&json!({ "query": text, "variables": variables })).await;
        let account = self.node.store().find_account(attacker.id).await.unwrap().unwrap();
        let minter = TokenMinter::of(&self.node);
        let hour = Duration::from_secs(3_600);
        let token = minter.token_of_generation(attacker.id, account.generation, hour);
        let attacker = attacker.with_token(token);
        *self.socket.lock().await = open(&attacker, self.document).await;
        self.attacker.replace(attacker);
        json!({ "payload": reply.json() }).to_string()
    }

    /// Makes events of every kind, again and again: the peer moves their cursor, edits, and opens and closes the document.
    ///
    /// A new subscription may need more than this for its first event.
    async fn stir(&self) {
        for column in 0.. {
            self.peers_socket.move_cursor(self.document, 0, column % 2).await.value();
            let id = self.next_number().to_string();
            let operation = "subscription($id: ID!) { presenceUpdated(documentId: $id) { kind } }";
            let tab = self.peer.connect().await;
            tab.start_with(&id, operation, json!({ "id": self.document })).await;
            self.peers_socket.rename(self.document, &format!("Title {column}")).await.value();
            tab.close().await;
        }
    }

    async fn expect_bystander_served(&self) {
        let asked = Instant::now();
        assert!(self.bystander.run("{ me { id } }", json!({})).await.is_ok());
        let latency = asked.elapsed();
        assert!(latency < MAX_LATENCY, "a bystander waited for {latency:?}");
    }

    async fn renew_victim(&self) {
        let attacker = self.attacker.borrow().clone();
        let document = attacker.create_document("Mine", "text").await;
        attacker.grant(document, &self.peer, "VIEW").await.value();
        self.peer.accept_access(document).await.value();
        self.victim.set(document);
        let binned = attacker.create_document("Deleted", "text").await;
        attacker.delete(binned).await.value();
        self.binned.set(binned);
    }

    fn next_number(&self) -> u64 {
        self.operations.replace(self.operations.get() + 1)
    }
}

/// Creates a document with an invitation and a link, and returns their secrets.
async fn link_secrets(owner: &Person) -> [String; 2] {
    let document = owner.create_document("Linked", "").await;
    let invitation = owner.invite(document, "VIEW", None).await;
    let link = owner.create_link(document, "VIEW", 1_000_000).await;
    [invitation.secret, link.secret]
}

/// Opens a socket that has the document open.
async fn open(attacker: &Person, document: DocumentId) -> RawSocket {
    let mut socket = attacker.connect_raw().await;
    let open = format!("subscription {{ cursorMoved(documentId: \"{document}\") {{ color }} }}");
    socket.subscribe("open", &open).await;
    socket
}

/// Waits for the first message of an operation, and skips those of others.
async fn first_of(events: &mut RawSocket, id: &str) -> String {
    let mark = format!("\"id\":\"{id}\"");
    let first = async {
        loop {
            match events.expect_frame().await {
                ServerFrame::Text(text)
                    if text.chars().take(200).collect::<String>().contains(&mark) =>
                {
                    return text;
                }
                ServerFrame::Text(_) | ServerFrame::Ping(_) => {}
                other => panic!("received {other:?} instead of a message"),
            }
        }
    };
    within("the first event of a subscription, or teach `stir` to cause it", first).await
}
