/** What every error of a code says. */
export interface CodeDefinition {
  readonly httpStatus: number;
  /** What happened, with `{param}` filled in. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/**
 * Every error code Cotable itself raises. Codes are stable: they are compared by programs, stored, and sent over the
 * wire. `docs/errors/<area>.md` has a section for each.
 */
export const catalogue = {
  'schema.invalid': { httpStatus: 400, message: 'The schema is not valid: {problem}', hint: 'Mend the definition that {path} names.' },
  'schema.asyncValidator': {
    httpStatus: 400,
    message: 'The validator of {path} answered with a promise',
    hint: 'Rows and inputs are validated within the call: use a validator without async refinements or transforms.',
  },
  'schema.tooOld': {
    httpStatus: 409,
    message: 'This app speaks schema {mine}, the others {theirs}',
    hint: 'Reload the app to get its newer version.',
  },
  'schema.tooNew': {
    httpStatus: 409,
    message: 'This app speaks schema {mine}, the relay only {theirs}',
    hint: 'Deploy the relay; the store tries again by itself.',
  },
  'schema.migrationFailed': {
    httpStatus: 500,
    message: 'The rows of this room could not be migrated to schema {version}',
    hint: 'Mend the migration and start the relay again; the log of the relay names the row. Nothing was changed.',
  },
  'value.notJson': {
    httpStatus: 400,
    message: '{path} is {found}, which is not plain JSON',
    hint: 'Write only null, booleans, finite numbers, strings, arrays and plain objects.',
  },
  'row.invalid': {
    httpStatus: 400,
    message: 'Row {key} of table {table} does not fit its schema',
    hint: 'See params.issues for each field.',
  },
  'row.invalidKey': {
    httpStatus: 400,
    message: 'A row of table {table} cannot have this key: {problem}',
    hint: 'Keys are well-formed strings of 1 to 512 characters without U+001F.',
  },
  'row.notFound': { httpStatus: 404, message: 'Table {table} has no row {key}', hint: 'Read the row first, or create it with set().' },
  'mutation.invalidInput': { httpStatus: 400, message: 'The input of {name} is not valid', hint: 'See params.issues for each field.' },
  'mutation.unknown': {
    httpStatus: 400,
    message: 'There is no mutator {name}',
    hint: 'Give the mutators of the schema to createStore and createRelay.',
  },
  'mutation.failed': { httpStatus: 400, message: 'The mutator {name} threw: {reason}', hint: 'The error it threw is the cause.' },
  'mutation.tooLarge': {
    httpStatus: 413,
    message: 'The mutation {name} has {size} {unit}, more than {limit}',
    hint: 'Write less in one mutation.',
  },
  'mutation.contested': {
    httpStatus: 409,
    message: 'What {name} read kept changing while it awaited',
    hint: 'Await less inside the mutator, read later, and do not call store.mutate in a mutator.',
  },
  'clock.outOfBounds': {
    httpStatus: 400,
    message: 'The clock of a mutation runs {aheadMs} ms ahead of the relay',
    hint: 'The store corrects its clock at the next handshake and sends again.',
  },
  'writer.fenced': {
    httpStatus: 409,
    message: 'The writer of this link may not write any more',
    hint: 'The store is given a new writer and replays what is pending.',
  },
  'writer.gap': {
    httpStatus: 409,
    message: 'Mutation {found} came where {expected} was due',
    hint: 'The store sends again from what the relay has.',
  },
  'room.invalidName': {
    httpStatus: 400,
    message: 'This is not a room name: {problem}',
    hint: 'Room names are well-formed strings of 1 to 256 characters.',
  },
  'room.lineageChanged': {
    httpStatus: 409,
    message: 'The room was made anew on the relay',
    hint: 'The store takes the new room and replays what is pending.',
  },
  'room.newerSchema': {
    httpStatus: 409,
    message: 'The rows of this room are of schema {theirs}, the relay speaks {mine}',
    hint: 'Start the relay with the newer schema again: rows never go back to an older one.',
  },
  'protocol.badFrame': {
    httpStatus: 400,
    message: 'A frame could not be read: {problem}',
    hint: 'Check that both sides run the same version and nothing on the way changes bytes.',
  },
  'protocol.frameTooLarge': {
    httpStatus: 413,
    message: 'A frame of {bytes} bytes is over the limit of {limit}',
    hint: 'Write less in one mutation, or raise the limit on the relay.',
  },
  'protocol.unsupportedVersion': {
    httpStatus: 426,
    message: 'The other side speaks protocol {theirs}, this one {mine}',
    hint: 'Bring app and relay to the same version of Cotable.',
  },
  'protocol.timeout': { httpStatus: 408, message: 'The other side said nothing for {ms} ms', hint: 'The store connects again by itself.' },
  'protocol.gateRefused': {
    httpStatus: 400,
    message: 'An update was refused: {rule}',
    hint: 'An update must be what this version of Cotable writes; see params.rule.',
  },
  'auth.required': {
    httpStatus: 401,
    message: 'This relay wants to know who you are',
    hint: 'Give createStore a userId, or a token the relay accepts.',
  },
  'auth.expired': {
    httpStatus: 401,
    message: 'The token is not valid, or not any more',
    hint: 'Give a fresh token: the store asks token() again by itself.',
  },
  'auth.forbidden': {
    httpStatus: 403,
    message: 'You may not do this in room {room}',
    hint: 'authorize() of the backend says what a user may do in a room.',
  },
  'auth.otherUser': {
    httpStatus: 403,
    message: 'This is of user {claimed}, and the token is that of {authenticated}',
    hint: 'Sign in as the user who wrote what is pending, or open the room with the userId of the one who is signed in.',
  },
  'auth.revoked': {
    httpStatus: 403,
    message: 'The access of this user was revoked',
    hint: 'The next handshake asks the relay again.',
  },
  'access.denied': {
    httpStatus: 403,
    message: 'Row {key} of table {table} may not be changed like this',
    hint: 'An access rule of the app says so; params.fields are the fields that would have changed.',
  },
  'request.notFound': { httpStatus: 404, message: 'There is nothing at {method} {path}', hint: 'See /openapi.json for what there is.' },
  'request.tooLarge': {
    httpStatus: 413,
    message: 'The body is longer than {limit} bytes',
    hint: 'Send less, or raise limits.messageBytes of the relay.',
  },
  'request.failed': {
    httpStatus: 500,
    message: 'The relay failed to answer',
    hint: 'The log of the relay says why, with the id of the request.',
  },
  'request.originRefused': {
    httpStatus: 403,
    message: 'Pages of {origin} may not call this relay',
    hint: 'Name it in origins of createRelay.',
  },
  'request.unanswered': {
    httpStatus: 503,
    message: 'The request got no answer of a relay',
    hint: 'The cause says what happened. Look whether baseUrl leads to the relay.',
  },
  'request.unknownLink': { httpStatus: 404, message: 'This link is not open', hint: 'The store connects again by itself.' },
  'limit.links': {
    httpStatus: 503,
    message: 'The relay has {limit} links of this kind, and takes no more',
    hint: 'The store connects again by itself, later.',
  },
  'limit.rate': {
    httpStatus: 429,
    message: 'These were too many requests in a short time',
    hint: 'Ask again in params.seconds.',
  },
  'limit.bytes': {
    httpStatus: 413,
    message: 'The reader is {bytes} bytes behind, more than {limit}',
    hint: 'The store connects again and catches up.',
  },
  'storage.notDurable': {
    httpStatus: 500,
    message: 'This device does not keep data',
    hint: 'What was written lives until the tab closes; it is kept once the relay confirms it.',
  },
  'storage.quota': {
    httpStatus: 507,
    message: 'There is no space left to keep data',
    hint: 'Free space. A store works on in memory; a relay refuses mutations until it can keep them.',
  },
  'storage.blocked': { httpStatus: 500, message: 'Another tab keeps the database from opening', hint: 'Close the other tabs of this app.' },
  'storage.closed': { httpStatus: 500, message: 'The storage was closed', hint: 'Make a new store.' },
  'storage.corrupt': {
    httpStatus: 500,
    message: 'A stored record cannot be read: {record}',
    hint: 'The file or database was damaged or removed outside of Cotable. What a relay has comes from there again; else restore a backup.',
  },
  'storage.conflict': {
    httpStatus: 409,
    message: 'Another writer was at this room first',
    hint: 'The relay reads what stands and judges again.',
  },
  'storage.unavailable': {
    httpStatus: 503,
    message: 'The storage does not answer: {reason}',
    hint: 'See the cause; the caller may try again.',
  },
  'store.closed': { httpStatus: 400, message: 'This store was closed', hint: 'Make a new store.' },
  'relay.invalidOption': { httpStatus: 400, message: '{path} is not valid: {problem}', hint: 'Mend what createRelay is given.' },
  'relay.closed': { httpStatus: 503, message: 'The relay is shutting down', hint: 'The store connects again by itself.' },
  'action.unknown': { httpStatus: 404, message: 'There is no action {name}', hint: 'Declare it in the schema.' },
  'action.offline': {
    httpStatus: 503,
    message: 'No relay is configured, or online, that could run the action {name}',
    hint: 'Give createStore a transport to a relay; without the option offline the call waits for it.',
  },
  'action.invalidOutput': {
    httpStatus: 500,
    message: 'What action {name} returned does not fit its schema',
    hint: 'Mend the action; see params.issues for each field.',
  },
  'action.missingHandler': {
    httpStatus: 503,
    message: 'The backend has no function for the action {name}',
    hint: 'Deploy a relay that has it: the run stays queued until then.',
  },
  'action.idempotencyMismatch': {
    httpStatus: 422,
    message: 'The action {name} was asked for with the key {key} and another input',
    hint: 'Give each request a key of its own, and the same input when you ask again.',
  },
  'action.concurrencyRejected': {
    httpStatus: 409,
    message: 'The action {name} has {limit} runs of this kind at work, and takes no more',
    hint: 'The policy of the action says so: ask again when one has ended.',
  },
  'platform.unknownService': { httpStatus: 501, message: 'This backend has no {service}', hint: 'Give it in the platform of the backend.' },
  'platform.failed': { httpStatus: 502, message: '{service} threw: {reason}', hint: 'The error it threw is the cause.' },
  'run.failed': { httpStatus: 500, message: 'The action {name} threw: {reason}', hint: 'The error it threw is the cause, on the relay.' },
  'run.fenced': {
    httpStatus: 409,
    message: 'This attempt of the run may not write any more',
    hint: 'Stop: the run goes on in another attempt.',
  },
  'run.timeout': {
    httpStatus: 504,
    message: 'The action {name} took longer than {ms} ms',
    hint: 'Raise timeoutMs in the policy of the action, or do less in one run.',
  },
  'run.expired': {
    httpStatus: 410,
    message: 'The action {name} had not begun when the request expired',
    hint: 'Ask again, or let requests live longer with expiresIn.',
  },
  'run.canceled': { httpStatus: 409, message: 'The run was canceled', hint: 'Ask again if it is wanted after all.' },
  'run.terminal': {
    httpStatus: 409,
    message: 'The run has ended already: it is {status}',
    hint: 'Only runs that failed, expired or were canceled can be driven again, and none that has ended canceled.',
  },
  'run.notFound': { httpStatus: 404, message: 'There is no run {run} here', hint: 'See which runs there are: relay.runs.list().' },
  'action.invalidInput': { httpStatus: 400, message: 'The input of action {name} is not valid', hint: 'See params.issues for each field.' },
  'flow.unknown': {
    httpStatus: 404,
    message: 'There is no action {action} of a flow {kind}',
    hint: 'Declare it with defineFlow, and give the flow to the backend: flows: [myFlow].',
  },
  'flow.invalidInput': { httpStatus: 400, message: 'The request is not valid: {problem}', hint: 'See params.issues for each field.' },
  'flow.sessionNotFound': {
    httpStatus: 404,
    message: 'There is no session {session}',
    hint: 'Leave the session out to begin one: the answer says its id.',
  },
  'flow.capacity': {
    httpStatus: 503,
    message: 'The relay has {limit} runs that have not ended, and takes no more requests',
    hint: 'Ask again in params.seconds; the operator may raise limits.flowRequests.',
  },
  'stream.invalidPiece': {
    httpStatus: 400,
    message: 'A piece of the stream of {name} does not fit its schema',
    hint: 'Say what the stream of the action declares; see params.issues for each field.',
  },
  'stream.tooLarge': {
    httpStatus: 413,
    message: 'The stream of {name} would have {bytes} bytes, more than {limit}',
    hint: 'Say less, or write it into rows; the relay may raise limits.streamBytes.',
  },
  'stream.slowViewer': {
    httpStatus: 400,
    message: 'The viewer took nothing of its streams for {ms} ms',
    hint: 'The store connects again by itself and gets what it lacks.',
  },
  'stream.reset': { httpStatus: 409, message: 'The stream began again', hint: 'Read it again from its beginning.' },
  'stream.gone': {
    httpStatus: 410,
    message: 'The stream of this run is not there any more',
    hint: 'What was to be kept of it is in the rows.',
  },
  'routing.invalidServiceRouteName': {
    httpStatus: 400,
    message: '{name} is not a name of an event',
    hint: 'Names begin with a service: chat/sendMessage, or deeper, chat/rooms/sendMessage.',
  },
  'sync.invalidVersion': { httpStatus: 400, message: '{version} is not a version of an event', hint: 'Versions are v1, v2 and so on.' },
  'sync.invalidName': { httpStatus: 400, message: 'The request names no event', hint: 'Give name and version of the event.' },
  'sync.invalidRequest': {
    httpStatus: 400,
    message: 'This is not a request: {problem}',
    hint: 'Send { data, receiver } and what belongs to it.',
  },
  'sync.invalidCallback': { httpStatus: 400, message: 'The callback of {name} is no function', hint: 'Give a function.' },
  'sync.invalidInputType': { httpStatus: 400, message: 'The data do not fit: {message}', hint: 'See params.issues for each field.' },
  'sync.missingReceiver': { httpStatus: 400, message: 'The request names no room', hint: 'Give the room as receiver.' },
  'sync.ioUnavailable': { httpStatus: 503, message: 'There is no link to a relay', hint: 'Give the client a link, and do not close it.' },
  'sync.notFound': {
    httpStatus: 404,
    message: 'There is no event {name} {version}',
    hint: 'Declare it with defineEvents and give it to the backend.',
  },
  'sync.noReceiversFound': {
    httpStatus: 404,
    message: 'Nobody in {receiver} would get it',
    hint: 'Leave requireReceivers out where an empty room is fine. Nothing was run.',
  },
  'sync.requestTimeout': {
    httpStatus: 504,
    message: 'The event {name} was not answered within {ms} ms',
    hint: 'It may still be at work: the same idempotencyKey asks for its answer again.',
  },
  'sync.rateLimitExceeded': {
    httpStatus: 429,
    message: 'Too many requests: try again in {seconds} s',
    hint: 'Wait that long, or raise rateLimiting of the backend.',
  },
  'sync.serverExecutionFailed': {
    httpStatus: 500,
    message: 'The event {name} failed',
    hint: 'The log of the relay says why, with the id of the run.',
  },
  'sync.invalidServerResponse': {
    httpStatus: 502,
    message: 'The answer of the relay cannot be read',
    hint: 'Bring app and relay to the same version.',
  },
  'sync.clientExecutionFailed': {
    httpStatus: 500,
    message: 'The per-recipient handler of {name} threw: {reason}',
    hint: 'That recipient did not get the event. Nobody but the log of the relay is told.',
  },
  'sync.clientRejected': {
    httpStatus: 403,
    message: 'The per-recipient handler of {name} kept the event from a recipient: {reason}',
    hint: 'It was meant to. Nobody but the log of the relay is told.',
  },
  'sync.invalidClientResponse': {
    httpStatus: 500,
    message: 'The per-recipient handler of {name} returned no answer',
    hint: "Return { status: 'success', ... } or { status: 'error', errorCode }.",
  },
  'offline.queueFull': { httpStatus: 503, message: 'The queue of requests is full at {size}', hint: 'Ask again when there is a link.' },
  'offline.dropped': {
    httpStatus: 503,
    message: 'The request was dropped from the queue: {reason}',
    hint: 'Ask again if it is still wanted.',
  },
  'offline.kept': {
    httpStatus: 503,
    message: 'The client was closed; the request is kept and sent by the next client on this storage',
    hint: 'To hear the answer, ask again with params.key as idempotencyKey.',
  },
  'request.aborted': { httpStatus: 409, message: 'The request was aborted', hint: 'Ask again if it is wanted after all.' },
} as const satisfies Record<string, CodeDefinition>;
