#include "api/handlers.h"

#define NONE API_RIGHT_NONE
#define SELF API_RIGHT_SELF /* whoever is signed in, about themself */
#define MAY(right) API_RIGHT_##right /* a row of core/rights.h: the live policy decides */
#define GATEWAY API_RIGHT_GATEWAY
#define ENROL API_RIGHT_ENROL
#define P API_PEOPLE
#define G API_GATEWAYS

/* method, pattern, right, listeners, handler, summary, body, query, flags */
const struct api_route api_routes[] = {
    /* ---- health and documents ---- */
    { "GET", "/healthz", NONE, P | G, api_healthz, "Says ok when the server serves", NULL, NULL, API_LOCAL | API_RAW },
    { "GET", "/readyz", NONE, P | G, api_readyz, "Says ok when the store commits", NULL, NULL, API_RAW },
    { "GET", "/metrics", NONE, P, api_metrics, "Counters for Prometheus (loopback only)", NULL, NULL, API_LOCAL | API_RAW },
    { "GET", "/v1/openapi.json", NONE, P, api_openapi_get, "This API as OpenAPI 3.1", NULL, NULL, API_LOCAL | API_RAW },

    { "GET", "/errors/{code}", NONE, P, api_error_page, "What an error's code means and what to do: where a problem's type leads", NULL, NULL, API_LOCAL | API_RAW },

    /* ---- sign-in ---- */
    { "GET", "/login.css", NONE, P, api_login_css, "The sign-in page's style", NULL, NULL, API_LOCAL | API_RAW },
    { "GET", "/login", NONE, P, api_login_choose, "A page with one button for each identity provider", NULL, "next", API_RAW },
    { "POST", "/login/oidc/{provider}", NONE, P, api_oidc_start, "Goes to an identity provider to sign in", NULL, NULL, API_FORM | API_RAW },
    { "GET", "/login/oidc/{provider}/callback", NONE, P, api_oidc_callback, "The provider's answer, to the browser that asked: sets the cookie", NULL, NULL, API_FORM | API_RAW | API_OPEN },
    { "GET", "/v1/login", NONE, P, api_login_options, "The identity providers that one can sign in with", NULL, NULL, 0 },
    { "POST", "/v1/device", NONE, P, api_device_begin, "RFC 8628: codes for a device or CLI that wants to sign in", NULL, NULL, API_FORM | API_RAW },
    { "GET", "/device", NONE, P, api_device_page, "Shows which device wants to sign in, to whoever is signed in", NULL, "code", API_RAW },
    { "POST", "/device", NONE, P, api_device_confirm, "Confirms or refuses it", NULL, NULL, API_FORM | API_RAW },
    { "GET", "/authorize", NONE, P, api_authorize_page, "Shows that the CLI on this machine wants to sign in", NULL, "port state challenge note", API_RAW },
    { "POST", "/authorize", NONE, P, api_authorize_confirm, "Confirms or refuses it", NULL, NULL, API_FORM | API_RAW },
    { "POST", "/v1/token", NONE, P, api_token_grant, "A token for a code, or for another issuer's token (RFC 6749, 8628, 8693)", NULL, NULL, API_FORM | API_RAW },
    { "GET", "/login/{secret}", NONE, P, api_login_page, "A page with one button; changes nothing", NULL, NULL, API_LOCAL | API_RAW },
    { "POST", "/login/{secret}", NONE, P, api_login_use, "Uses a one-time link: sets the cookie", NULL, NULL, API_FORM | API_RAW },
    { "POST", "/v1/sessions", NONE, P, api_session_make, "Uses a one-time link: gives a bearer token", "link:str!", NULL, 0 },
    { "GET", "/v1/sessions", SELF, P, api_session_list, "One's own live sessions", NULL, NULL, 0 },
    { "DELETE", "/v1/sessions", SELF, P, api_session_end_others, "Ends all one's sessions but this one", NULL, NULL, 0 },
    { "POST", "/v1/tokens", SELF, P, api_token_make, "Makes a token for a program: for oneself or a service account", "name:str! rights:strs! for_ms:int! service:str", NULL, 0 },
    { "GET", "/v1/tokens", SELF, P, api_token_list, "Lists one's tokens, or all", NULL, "all", 0 },
    { "DELETE", "/v1/tokens/{id}", SELF, P, api_token_revoke, "Ends a token", NULL, NULL, 0 },
    { "DELETE", "/v1/sessions/current", SELF, P, api_session_end, "Signs out", NULL, NULL, 0 },
    { "DELETE", "/v1/sessions/{id}", SELF, P, api_session_end_one, "Ends one of one's sessions", NULL, NULL, 0 },
    { "GET", "/v1/whoami", SELF, P, api_whoami, "Who is signed in, and with which rights", NULL, NULL, 0 },

    { "GET", "/v1/doctor", MAY(SEE), P, api_doctor, "What `phi doctor` looks at: the log, gateways, their targets", NULL, NULL, 0 },

    { "GET", "/v1/passkeys", SELF, P, api_passkey_list, "One's own passkeys", NULL, NULL, 0 },
    { "POST", "/v1/passkeys/options", SELF, P, api_passkey_options, "What navigator.credentials.create is asked with", NULL, NULL, 0 },
    { "POST", "/v1/passkeys", SELF, P, api_passkey_add, "Registers a passkey", "name:str! client:str! attestation:str!", NULL, 0 },
    { "DELETE", "/v1/passkeys/{id}", SELF, P, api_passkey_remove, "Removes a passkey of one's own; the last one stays", NULL, NULL, 0 },
    { "POST", "/v1/sessions/passkey/options", NONE, P, api_passkey_login_options, "What navigator.credentials.get is asked with", NULL, NULL, 0 },
    { "POST", "/v1/sessions/passkey", NONE, P, api_passkey_login, "Signs in with a passkey: sets the cookie",
      "id:str! client:str! auth:str! sig:str!", NULL, 0 },

    /* ---- people, groups, targets, gateways, policy ---- */
    { "POST", "/v1/people", MAY(PEOPLE), P, api_person_add, "Adds a person", "name:str! groups:strs", NULL, API_CHANGE },
    { "GET", "/v1/people", MAY(SEE_PEOPLE), P, api_person_list, "Lists people with their groups", NULL, NULL, 0 },
    { "POST", "/v1/people/{person}/forget", MAY(PEOPLE), P, api_person_forget, "Erases a person's names and texts; the log stays whole", NULL, NULL, API_CHANGE },
    { "POST", "/v1/groups/{group}/members", MAY(GROUPS), P, api_member_add, "Puts a person into a group", "person:str!", NULL, API_CHANGE },
    { "DELETE", "/v1/groups/{group}/members/{person}", MAY(GROUPS), P, api_member_del, "Takes a person out of a group", NULL, NULL, API_CHANGE },
    { "POST", "/v1/accounts", MAY(PEOPLE), P, api_account_add, "Links a second account name to a person", "name:str! person:str!", NULL, API_CHANGE },
    { "POST", "/v1/services", MAY(PEOPLE), P, api_service_add, "Adds a service account", "name:str! groups:strs", NULL, API_CHANGE },
    { "GET", "/v1/providers", MAY(SEE_PEOPLE), P, api_provider_list, "Lists identity providers and trusted issuers", NULL, NULL, 0 },
    { "PUT", "/v1/providers/{name}", MAY(PEOPLE), P, api_provider_put, "Sets an identity provider (oidc) or an issuer whose tokens are exchanged (workload)", "kind:str! config:obj!", NULL, API_CHANGE },
    { "DELETE", "/v1/providers/{name}", MAY(PEOPLE), P, api_provider_del, "Trusts it no more", NULL, NULL, API_CHANGE },
    { "POST", "/v1/identities", MAY(PEOPLE), P, api_identity_link, "Says whose an account at a provider is", "provider:str! subject:str! person:str!", NULL, API_CHANGE },
    { "GET", "/v1/identities", MAY(SEE_PEOPLE), P, api_identity_list, "A person's accounts at providers", NULL, "person", 0 },
    { "DELETE", "/v1/identities/{provider}/{subject}", MAY(PEOPLE), P, api_identity_unlink, "Takes the account away, and ends its person's sessions", NULL, NULL, API_CHANGE },
    { "POST", "/v1/links", MAY(PEOPLE), P, api_link_make, "Makes a one-time sign-in link for a person", "person:str!", NULL, 0 },
    { "POST", "/v1/recoveries", MAY(PEOPLE), P, api_recovery_ask, "Asks to let somebody in who lost their passkeys", "person:str!", NULL, 0 },
    { "GET", "/v1/recoveries", MAY(PEOPLE), P, api_recovery_list, "Recoveries that wait for a second operator", NULL, NULL, 0 },
    { "POST", "/v1/recoveries/{id}/approve", MAY(PEOPLE), P, api_recovery_approve, "Confirms one: old passkeys and sessions end, a link is made", NULL, NULL, 0 },
    { "POST", "/v1/targets", MAY(TARGETS), P, api_target_add, "Adds a target", "name:str! kind:str! address:str! database:str", NULL, API_CHANGE },
    { "GET", "/v1/targets", MAY(SEE), P, api_target_list, "Lists targets", NULL, NULL, 0 },
    { "PUT", "/v1/facts", MAY(TARGETS), P, api_facts_put, "Says the environment and tags of a resource and of what is in it", "resource:str! environment:str tags:strs", NULL, API_CHANGE },
    { "GET", "/v1/facts", MAY(SEE), P, api_facts_list, "Lists what is said of resources", NULL, NULL, 0 },
    { "GET", "/v1/profile", SELF, P, api_profile_get, "One's own time zone and quiet hours", NULL, NULL, 0 },
    { "PUT", "/v1/profile", SELF, P, api_profile_put, "Changes one's own time zone and quiet hours", "zone:str quiet:obj", NULL, 0 },
    { "POST", "/v1/gateways", MAY(TARGETS), P, api_gateway_add, "Adds a gateway and makes its enrolment code", "name:str! targets:strs!", NULL, 0 },
    { "DELETE", "/v1/gateways/{name}", MAY(TARGETS), P, api_gateway_remove, "Takes a gateway's key away: it asks for nothing from then on", NULL, NULL, 0 },
    { "GET", "/v1/gateways", MAY(SEE_PEOPLE), P, api_gateway_list, "Lists gateways", NULL, NULL, 0 },
    { "PUT", "/v1/bundle", MAY(POLICY), P, api_bundle_put, "Makes a policy bundle live", "schema:str! policies:str! requirements:str!", NULL, API_CHANGE },
    { "GET", "/v1/bundle", MAY(SEE), P, api_bundle_get, "The live policy bundle", NULL, NULL, 0 },
    { "POST", "/v1/credentials", MAY(ASK), P, api_credential_make, "Makes a short-lived credential for a target", "target:str!", NULL, 0 },

    /* ---- requests, votes, grants ---- */
    { "POST", "/v1/requests", MAY(ASK), P, api_request_make, "Asks for a scope on a target for some time",
      "target:str! scope:obj for_ms:int uses:int why:str! ticket:str from_ms:int until_ms:int budget:obj windows:arr "
      "extends:str break_glass:bool watchers:strs suggested:strs on_behalf:strs", NULL, 0 },
    { "GET", "/v1/requests", MAY(SEE), P, api_request_list, "Lists requests", NULL, "box status limit cursor", 0 },
    { "GET", "/v1/requests/replay", MAY(READ_LOG), P, api_requests_replay, "What was asked, with what phid knew then, for replaying it against a change of policy", NULL,
      "from_ms to_ms skip limit", 0 },
    { "GET", "/v1/requests/{id}", MAY(SEE), P, api_request_get, "One request, by id or code", NULL, NULL, 0 },
    { "POST", "/v1/requests/{id}/votes", MAY(VOTE), P, api_vote, "Approves or denies what was shown",
      "decision:str! digest:str! version:int! requirement:str reason:str narrowing:obj nonce:str salt:str passkey:obj", NULL, 0 },
    { "POST", "/v1/requests/{id}/votes/options", MAY(VOTE), P, api_vote_options, "The vote as a passkey would sign it; changes nothing",
      "decision:str! digest:str! version:int! requirement:str reason:str narrowing:obj nonce:str salt:str", NULL, 0 },
    { "PUT", "/v1/requests/{id}", MAY(ASK), P, api_request_edit, "Changes one's own pending request; its votes are void",
      "target:str! scope:obj! for_ms:int uses:int why:str! ticket:str from_ms:int until_ms:int budget:obj windows:arr watchers:strs "
      "suggested:strs", NULL, 0 },
    { "POST", "/v1/requests/{id}/remarks", MAY(SEE), P, api_request_remark, "Comments or asks; no vote", "kind:str text:str!", NULL, 0 },
    { "POST", "/v1/requests/{id}/watchers", MAY(SEE), P, api_request_watch, "Names watchers or suggests approvers", "people:strs! suggested:bool", NULL, 0 },
    { "POST", "/v1/requests/{id}/cancel", MAY(ASK), P, api_request_cancel, "Cancels one's own request", NULL, NULL, 0 },
    { "GET", "/v1/grants", MAY(SEE), P, api_grant_list, "Lists grants", NULL, "box status limit cursor", 0 },
    { "POST", "/v1/grants/{id}/revoke", MAY(SEE), P, api_grant_revoke, "Ends a grant and cuts what runs on it", "why:str!", NULL, 0 },
    { "POST", "/v1/grants/revoke", MAY(REVOKE), P, api_grant_revoke_many, "Ends all grants of a person, a resource, a policy version, or all",
      "why:str! person:str resource:str target:str bundle_version:int everything:bool", NULL, 0 },
    { "POST", "/v1/grants/{id}/review", MAY(SEE), P, api_grant_review, "Closes the review of somebody's break-glass", "note:str!", NULL, 0 },
    { "POST", "/v1/delegations", MAY(VOTE), P, api_delegation_make, "Lets somebody else vote for oneself for a while", "to:str! for_ms:int! why:str!", NULL, 0 },
    { "GET", "/v1/delegations", MAY(SEE), P, api_delegation_list, "Lists live delegations", NULL, NULL, 0 },
    { "DELETE", "/v1/delegations/{id}", MAY(SEE), P, api_delegation_end, "Ends a delegation", NULL, NULL, 0 },
    { "POST", "/v1/grants/{id}/return", MAY(ASK), P, api_grant_return, "Gives one's own grant back", NULL, NULL, 0 },

    /* ---- the log ---- */
    { "GET", "/v1/log/checkpoint", NONE, P | G, api_log_checkpoint, "The newest signed checkpoint", NULL, NULL, API_RAW },
    { "GET", "/v1/log/key", NONE, P | G, api_log_key, "The log's verifier key", NULL, NULL, API_RAW },
    { "GET", "/v1/log/steps", NONE, P | G, api_log_steps, "Under which keys and origins the log went on, each step signed", NULL, NULL, 0 },
    { "POST", "/v1/log/steps/{n}", MAY(OPERATE), P, api_log_vouch, "Hands in an operator's signature over a restored log's new origin", "note:str!", NULL, 0 },
    { "GET", "/v1/log/comparison", MAY(READ_LOG), P, api_log_comparison, "Whether the store is what its log says, as last compared", NULL, NULL, 0 },
    { "GET", "/v1/log/witnesses", NONE, P | G, api_witness_list, "The log's witnesses, what they cosigned last, and how many are needed", NULL, NULL, 0 },
    { "PUT", "/v1/log/witnesses", MAY(OPERATE), P, api_witness_set, "Adds or changes a witness (C2SP tlog-witness)", "key:str! url:str!", NULL, 0 },
    { "DELETE", "/v1/log/witnesses/{name}", MAY(OPERATE), P, api_witness_remove, "Removes a witness", NULL, NULL, 0 },
    { "PUT", "/v1/log/witness-need", MAY(OPERATE), P, api_witness_need, "How many witnesses must cosign a head before it is shown", "need:int!", NULL, 0 },
    { "GET", "/v1/log/consistency", NONE, P | G, api_log_consistency, "Shows that one tree continues another", NULL, "from to", 0 },
    { "GET", "/v1/log/proof", MAY(SEE), P, api_log_proof, "Shows that an entry is in the tree", NULL, "index size", 0 },
    { "GET", "/v1/log/entries", MAY(READ_LOG), P, api_log_entries, "Entries of the log", NULL, "from limit", 0 },

    { "GET", "/v1/log/receipts/{index}", MAY(READ_LOG), P, api_log_receipt, "A receipt (C2SP tlog-proof) of one entry", NULL, NULL, API_RAW },
    { "GET", "/checkpoint", NONE, P | G, api_log_checkpoint, "C2SP tlog-tiles: the newest signed checkpoint", NULL, NULL, API_RAW },
    { "GET", "/tile/entries/{path*}", MAY(READ_LOG), P, api_log_bundle, "C2SP tlog-tiles: an entry bundle", NULL, NULL, API_RAW },
    { "GET", "/tile/{path*}", NONE, P, api_log_tile, "C2SP tlog-tiles: a tile of hashes", NULL, NULL, API_RAW },

    /* ---- telling people ---- */
    { "GET", "/v1/channels", MAY(OPERATE), P, api_channel_list, "Lists the channels that tell people, and how they fare", NULL, NULL, 0 },
    { "PUT", "/v1/channels/{name}", MAY(OPERATE), P, api_channel_put, "Adds or changes a channel", "kind:str! settings:obj!", NULL, API_CHANGE },
    { "DELETE", "/v1/channels/{name}", MAY(OPERATE), P, api_channel_del, "Removes a channel with what waits for it", NULL, NULL, API_CHANGE },
    { "POST", "/v1/channels/{name}/switch", MAY(OPERATE), P, api_channel_switch, "Switches a channel on or off", "on:bool! why:str", NULL, API_CHANGE },
    { "POST", "/v1/channels/{name}/test", MAY(OPERATE), P, api_channel_test, "Sends a message that says that the channel works", NULL, NULL, 0 },
    { "GET", "/v1/contacts", MAY(SEE), P, api_contact_list, "Where people are reached: one's own, or everybody's for who may list people", NULL, NULL, 0 },
    { "PUT", "/v1/people/{person}/contacts/{kind}", MAY(PEOPLE), P, api_contact_put, "Sets where a person is reached, and from where they may answer", "address:str!", NULL, API_CHANGE },
    { "DELETE", "/v1/people/{person}/contacts/{kind}", MAY(PEOPLE), P, api_contact_del, "Removes it", NULL, NULL, API_CHANGE },
    { "GET", "/v1/notifications/dead", MAY(SEE), P, api_notification_dead, "Messages that could not be sent: one's own, or all for operators", NULL, "limit", 0 },
    { "GET", "/v1/notifications/waiting", MAY(SEE), P, api_notification_waiting, "Messages that wait to be sent", NULL, "limit", 0 },
    { "POST", "/v1/notifications/{id}/resend", MAY(SEE), P, api_notification_resend, "Sends such a message again", NULL, NULL, 0 },
    { "POST", "/v1/chat/slack", NONE, P, api_chat_slack, "Slack's interactive callbacks, by their signature", NULL, NULL, API_SIGNED | API_RAW },

    /* ---- events ---- */
    { "GET", "/v1/events", MAY(SEE), P, api_events_person, "What changes, as it changes", NULL, NULL, API_STREAM | API_RAW },
    { "GET", "/v1/events", GATEWAY, G, api_events_gateway, "What a gateway must know, as it happens", NULL, NULL, API_STREAM | API_RAW },

    /* ---- gateways ---- */
    { "POST", "/v1/gateways/enroll", ENROL, G, api_gw_enroll, "Uses an enrolment code: signs the gateway's key", "code:str! public_key:str!", NULL, 0 },
    { "POST", "/v1/gateway/certificate", GATEWAY, G, api_gw_certificate, "Renews the certificate of the key that asks", "public_key:str!", NULL, 0 },
    { "GET", "/v1/gateway/snapshot", GATEWAY, G, api_gw_snapshot, "What the gateway decides from", NULL, "version", 0 },
    { "GET", "/v1/gateway/lease", GATEWAY, G, api_gw_lease, "Renews the lease", NULL, NULL, 0 },
    { "POST", "/v1/gateway/requests", GATEWAY, G, api_gw_request, "Decides, finds a grant, or files a request",
      "principal:obj! credential:str! session:str! target:str! actions:arr! entities:arr! payload:obj! settings:obj! "
      "context:obj! from:obj why:str hold_ms:int", NULL, 0 },
    { "GET", "/v1/gateway/requests/{id}", GATEWAY, G, api_gw_request_get, "What became of a request of the gateway's", NULL, NULL, 0 },
    { "POST", "/v1/gateway/requests/{id}/leave", GATEWAY, G, api_gw_leave, "The waiter has left", "waiter:str!", NULL, 0 },
    { "POST", "/v1/grants/{id}/claims", GATEWAY, G, api_gw_claim, "Spends one use of a grant",
      "key:str! principal:obj! credential:str session:str! target:str! digest:str act:str actions:arr! entities:arr! context:obj! statements:int", NULL, 0 },
    { "POST", "/v1/claims/{id}/outcome", GATEWAY, G, api_gw_outcome, "Says what became of a claim", "outcome:str! tag:str rows:int bytes:int", NULL, 0 },
    { "POST", "/v1/gateway/records", GATEWAY, G, api_gw_records, "Records plain allows", "batch:int! records:arr!", NULL, 0 },
    { "POST", "/v1/gateway/acks", GATEWAY, G, api_gw_ack, "Confirms that work was cut", "seq:int!", NULL, 0 },
    { "POST", "/v1/gateway/report", GATEWAY, G, api_gw_report, "Says where the targets are and what they run, for `phi doctor`",
      "targets:arr! certificate_ends_ms:int! certificate_begins_ms:int", NULL, 0 },

    /* ---- AuthZEN ---- */
    { "GET", "/.well-known/authzen-configuration", NONE, P, api_authzen_metadata, "AuthZEN: where this decision point answers", NULL, NULL, API_LOCAL | API_OPEN },
    { "POST", "/access/v1/evaluation", MAY(SEE), P, api_authzen_evaluate, "AuthZEN Access Evaluation; never consumes",
      "subject:obj! action:obj! resource:obj! context:obj", NULL, API_OPEN },
    { "POST", "/access/v1/evaluations", MAY(SEE), P, api_authzen_evaluations, "AuthZEN Access Evaluations: several questions at once",
      "subject:obj action:obj resource:obj context:obj evaluations:arr options:obj", NULL, API_OPEN },
    { "POST", "/access/v1/search/subject", MAY(SEE), P, api_authzen_subjects, "AuthZEN Subject Search: who may",
      "subject:obj! action:obj! resource:obj! context:obj page:obj", NULL, API_OPEN },
    { "POST", "/access/v1/search/resource", MAY(SEE), P, api_authzen_resources, "AuthZEN Resource Search: on what",
      "subject:obj! action:obj! resource:obj! context:obj page:obj", NULL, API_OPEN },
    { "POST", "/access/v1/search/action", MAY(SEE), P, api_authzen_actions, "AuthZEN Action Search: which actions",
      "subject:obj! resource:obj! action:obj context:obj page:obj", NULL, API_OPEN },
    { "POST", "/access/v1/requests", MAY(ASK), P, api_arap_submit, "ARAP: asks for what an evaluation denied as requestable",
      "subject:obj! resource:obj action:obj items:arr context:obj denial:obj requested_access:obj callback:obj client:obj", NULL, API_OPEN },
    { "GET", "/access/v1/requests/{task}", MAY(ASK), P, api_arap_status, "ARAP: what became of it", NULL, NULL, API_OPEN },
    { "POST", "/access/v1/requests/{task}/cancel", MAY(ASK), P, api_arap_cancel, "ARAP: withdraws it", NULL, NULL, API_OPEN },
    { "GET", "/access/v1/jwks", NONE, P, api_arap_jwks, "ARAP: the keys of what phi signs for it", NULL, NULL, API_OPEN },
    { "GET", "/v1/authz", MAY(SEE), P, api_forward, "Forward authentication: may this person, now; for nginx and Caddy", NULL, "target action held", API_OPEN },
    { "GET", "/held", NONE, P, api_held_page, "The page on which a browser asks and waits", NULL, "target action to request", API_RAW },
    { "POST", "/held", NONE, P, api_held_ask, "Asks for the approval", NULL, NULL, API_FORM | API_RAW },
    { "PUT", "/v1/entities", MAY(TARGETS), P, api_entities_put, "Tells entities of an application's own types", "entities:arr!", NULL, 0 },
    { "GET", "/v1/entities", MAY(TARGETS), P, api_entity_list, "Lists them", NULL, "type limit cursor", 0 },
    { "DELETE", "/v1/entities/{type}/{id}", MAY(TARGETS), P, api_entity_remove, "Takes one away", NULL, NULL, 0 },
};
const size_t api_routes_n = sizeof(api_routes) / sizeof(api_routes[0]);
