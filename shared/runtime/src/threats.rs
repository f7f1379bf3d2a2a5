//! The threat model: what is worth protecting, who could do what, what stops them, and what does not.
//!
//! # What is worth protecting
//!
//! | asset | where it is | where it is not |
//! |---|---|---|
//! | form data, files, names, national identity numbers | Altinn, and the memory of `instantiate` for one relay | log, queue, table, metric, error message |
//! | the right to act as service owner (Maskinporten key, tokens) | Secrets Manager, and the memory of `instantiate` and `reconcile`, and of `redrive` once it removes a B | environment, log, `receive` |
//! | the events secret | Secrets Manager, Altinn Events' subscription, the memory of `receive` (as a digest) | log, access log |
//! | exactly one B for each relay | the ledger's conditional writes, the stamp in Altinn | |
//! | the record of what failed | ledger, dead-letter queue, log | |
//!
//! What everything else stands on: a trigger carries *references, never data*, and grants nothing. The
//! truth is read again from Altinn with our own token, and the gate is checked there.
//!
//! # Who could do what
//!
//! ## A stranger on the internet
//!
//! Reaches `receive` alone, through API Gateway.
//!
//! * Forges or replays a token: [`crate::caller`] takes RS256, RS384 and RS512 by keys of one issuer, found
//!   through its own metadata over TLS; `jku`, `jwk`, `x5u` and `iss` of a token lead nowhere. `iss`, `exp`,
//!   `nbf`, whole scopes and `consumer` are checked. A stolen token is good until it expires, two minutes as
//!   a rule; Maskinporten's tokens are bearer tokens.
//! * Floods with unknown `kid`s: one request for keys a minute and container.
//! * Guesses the events secret: 48 random characters, compared as digests in constant time; a wrong one is
//!   answered to the byte as a path that does not exist.
//! * Sends what is large, deep, packed or broken: API Gateway stops at 10,240 bytes of headers and 10 MB of
//!   body, `receive` at 64 KiB; nothing is unpacked; JSON nests 128 deep at most. Ids are parsed once, by
//!   [`stafett_core::id`]; no other text of a caller gets into an address, a key or a log line.
//! * Costs money, and keeps others out: the API's throttling caps both, and shares its limit between
//!   strangers and friends. **Not stopped:** a flood uses the limit up, and app A is answered 429 meanwhile.
//!   Reconcile finds what A could not tell. Put AWS WAF in front where that is not enough.
//!
//! ## An organisation that may trigger, and whoever knows the events secret
//!
//! * Names any instance: what is not of the route's app is refused and recorded as failed
//!   (`source_foreign`), what is not ready waits, what is done stays done. A wrong party in an id changes
//!   nothing, the instance's own id is used from the first read on.
//! * **Not stopped:** fills queue, ledger and dead-letter queue with relays of instances that do not exist:
//!   each costs ten receives, an item that expires, and an operator's look. The `reason` tells them apart,
//!   and redrive takes a selection by it. Rotate the secret, or take the organisation off the list.
//! * **Not stopped:** each organisation in `TRIGGER_CONSUMERS` may ask after any instance: route, state,
//!   reason code, and B's id; it must know party and GUID. List only whom that may be told.
//!
//! ## A citizen, who writes the form and names the files
//!
//! * Breaks out of XML, of a header, of a part of the request, of a log line: texts are escaped or refused
//!   by [`stafett_core::xml`], names and media types are encoded, log lines are JSON and hold no form data. We
//!   write XML and never read any: there is no entity to expand.
//! * Makes an expression run away: fuel bounds its steps, a missing value is an error that names the path.
//! * Writes a form that unfolds to more memory than there is: answers of Altinn are read up to 16 MiB and
//!   half a million values. **Not stopped:** several such forms in one batch may end the process. Their
//!   neighbours are delivered again and lose nothing but time.
//! * Chooses the owner of B, the number of `each`, the size of a text: **as far as the route lets them.** A
//!   route that takes B's owner from the form lets the citizen decide who sees it.
//! * Uploads malware: what Altinn's scan has found is not relayed, and while it scans the relay waits.
//!   Where the app does not scan, nobody does.
//!
//! ## A hostile or broken app A, app B or Altinn
//!
//! * Leads us elsewhere: addresses are made of settings and parsed ids. `selfLinks`, the host of `next`,
//!   `Location` and redirects are not followed, so no token and no form goes elsewhere.
//! * Answers with what is endless, packed, huge or slow: sizes are capped, nothing is unpacked, each request
//!   ends within the lease. Attachments stream, and must have the size that their instance names.
//! * Says something of people in an error: answers are classified by status and shape, never quoted.
//! * **Not stopped:** B may lie about what it has made, and A about what was filled in. They are the truth.
//!
//! ## Somebody who can read logs, queue or table
//!
//! Learns instance ids, party ids, which route when, and how it ended. Party ids are pseudonyms which Altinn can
//! resolve: treat all three as personal data of the lesser kind. Keys of `each` are there as a digest only.
//! **Not stopped:** somebody with a list of candidates, as all national identity numbers are, can try them
//! against a digest: it is there to keep keys out of sight, not to keep them from whoever tries.
//!
//! ## Somebody who can write to the queue or the table
//!
//! A message grants no more than a trigger does. An item of the table does: whoever marks relays done
//! keeps them from being made, whoever deletes them makes their relays be taken for new. Only the
//! functions' roles, and administrators, can.
//!
//! ## One function that was taken over
//!
//! | function | can | cannot |
//! |---|---|---|
//! | `receive` | enqueue triggers, read the ledger, read the events secret | receive from the queue, write to the ledger, get Altinn's key |
//! | `instantiate` | **all that the service owner's client may do in Altinn**; read and write relays | delete from the table, read the events secret |
//! | `reconcile` | the same in Altinn; enqueue; change relays on record | delete from the table, receive from the queue, read the events secret |
//! | `redrive` | move messages between the two queues; let a stopped route go on; with the key, delete one of two B and update its relay in the table | create a B, put new relays into the table |
//!
//! The client's scopes bound what is lost in Altinn: give it these three and no more, and apps a policy that
//! lets it do what the routes need. Its key can be withdrawn at Maskinporten at any time; tokens that were
//! exchanged already live for half an hour.
//!
//! ## A route author
//!
//! Decides what of A reaches whom: a route is code, and reviewed as such. Expressions see A's data and nothing
//! else (no clock, environment, file or network); YAML is read with a budget for aliases and depth; a schema
//! is a file beside the route, and its references stay within it. **Not stopped:** a schema's regular
//! expressions may be slow on purpose, and a route may send a form to the wrong people.
//!
//! ## The operator and the supply chain
//!
//! Whoever deploys can do all of this. The lock file is committed, licences and sources of
//! crates are checked, policies have no wildcards, and no function has a shell. **Not stopped:** a crate that turns
//! bad between two checks.
