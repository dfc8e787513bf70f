#include "core/rows.h"

#include "base/buf.h"

#define I(f) { #f, CORE_INT, offsetof(R, f), false }
#define T(f) { #f, CORE_TEXT, offsetof(R, f), false }
#define B(f) { #f, CORE_BLOB, offsetof(R, f), false }
#define DUE_(p, f, later) { #p "wall", CORE_INT, offsetof(R, f.wall), later }, { #p "boot_ms", CORE_INT, offsetof(R, f.boot_ms), later }, { #p "boot", CORE_INT, offsetof(R, f.boot), later }
#define DUE(p, f) DUE_(p, f, false)
#define AS(name, kind, f) { #name, CORE_##kind, offsetof(R, f), false }
/* added by a later migration, behind what was there */
#define I2(f) { #f, CORE_INT, offsetof(R, f), true }
#define T2(f) { #f, CORE_TEXT, offsetof(R, f), true }
#define COUNT(x) (int)(sizeof(x) / sizeof(x)[0])

#define R struct core_state_row
static const struct core_column state_cols[] = { I(id), I(size), I(seq), I(world), I(snapshot_seq), I(bundle_version), I(boot), I(anchor_wall), I(anchor_boot), T(boot_id), B(peaks), I(note_size), T(note), I2(base), I2(gen), I2(witness_need), B(boots) };
#undef R
static const struct core_index state_index[] = { { true, 1, { 0 } } };

#define R struct core_person_row
static const struct core_column person_cols[] = { T(id), T(name), B(salt), T(same_as), I(created_ms) };
#undef R
static const struct core_index person_index[] = { { true, 1, { 0 } }, { true, 1, { 1 } }, { false, 2, { 3, 0 } } };

#define R struct core_account_row
static const struct core_column account_cols[] = { T(name), T(person), B(salt) };
#undef R
static const struct core_index account_index[] = { { true, 1, { 0 } }, { false, 2, { 1, 0 } } };

#define R struct core_member_row
static const struct core_column member_cols[] = { T(grp), T(person), I(since_ms) };
#undef R
static const struct core_index member_index[] = { { true, 2, { 0, 1 } }, { false, 2, { 1, 0 } } };

#define R struct core_link_row
static const struct core_column link_cols[] = { B(hash), T(id), T(person), DUE(, due) };
#undef R
static const struct core_index link_index[] = { { true, 1, { 0 } }, { false, 1, { 3 } } };

#define R struct core_session_row
static const struct core_column session_cols[] = { B(hash), T(id), T(person), DUE(, due), I2(created_ms), I2(seen_ms), I2(idle_ms), I2(strong_ms), T2(kind), T2(note), T2(address), T2(provider) };
#undef R
static const struct core_index session_index[] = { { true, 1, { 0 } }, { false, 1, { 3 } }, { false, 1, { 2 } } };

#define R struct core_target_row
static const struct core_column target_cols[] = { T(name), T(kind), T(address), AS(dbname, TEXT, database) };
#undef R
static const struct core_index target_index[] = { { true, 1, { 0 } } };

#define R struct core_gateway_row
static const struct core_column gateway_cols[] = { T(name), B(code_hash), AS(pubkey, BLOB, key), T(version), DUE(code_, code_due), DUE(lease_, lease_due), I(last_seen), I(last_batch) };
#undef R
static const struct core_index gateway_index[] = { { true, 1, { 0 } }, { false, 1, { 1 } }, { false, 1, { 2 } } };

#define R struct core_gateway_target_row
static const struct core_column gateway_target_cols[] = { T(gateway), T(target) };
#undef R
static const struct core_index gateway_target_index[] = { { true, 2, { 0, 1 } }, { false, 2, { 1, 0 } } };

#define R struct core_credential_row
static const struct core_column credential_cols[] = { T(id), T(person), T(target), T(verifier), T(device), T(session), DUE(, due) };
#undef R
static const struct core_index credential_index[] = { { true, 1, { 0 } }, { false, 2, { 2, 0 } }, { false, 2, { 1, 0 } }, { false, 1, { 6 } } };

#define R struct core_bundle_row
static const struct core_column bundle_cols[] = { I(version), T(hash), T(schema), T(policies), T(requirements), I(at_ms) };
#undef R
static const struct core_index bundle_index[] = { { true, 1, { 0 } } };

#define R struct core_request_row
static const struct core_column request_cols[] = { T(id), T(code), I(status), I(live), I(version), T(digest), T(act), T(requester), T(root), T(target), T(gateway), T(credential), T(session), T(summary), I(scoped), I(for_ms), I(uses), I(created_ms), T(bundle), T(needs), T(policies), T(denied_by), B(reason_salt), DUE(, due), I(leaf), B(leaf_hash), I(rev), T2(extends), I2(glass), I2(risk), I2(behalf), I2(asked_ms), T2(ask) };
#undef R
static const struct core_index request_index[] = { { true, 1, { 0 } }, { false, 2, { 1, 0 } }, { false, 3, { 7, 3, 0 } }, { false, 2, { 6, 3 } }, { false, 2, { 3, 0 } }, { false, 2, { 3, 23 } }, { false, 3, { 3, 25, 24 } } };

#define R struct core_eligible_row
static const struct core_column eligible_cols[] = { T(request), I(version), T(requirement), T(person) };
#undef R
static const struct core_index eligible_index[] = { { true, 4, { 0, 1, 2, 3 } }, { false, 2, { 3, 0 } } };

#define R struct core_waiter_row
static const struct core_column waiter_cols[] = { T(request), T(session), T(gateway) };
#undef R
static const struct core_index waiter_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_vote_row
static const struct core_column vote_cols[] = { T(request), T(root), T(person), T(id), T(requirement), T(vote), T(bundle), I(version), I(approve), I(narrow_for_ms), I(narrow_uses), I(at_ms), I(leaf), B(leaf_hash), I2(stage), T2(via), T2(proof) };
#undef R
static const struct core_index vote_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_grant_row
static const struct core_column grants_cols[] = { T(id), T(request), T(code), T(digest), T(act), T(principal), T(root), T(target), T(session), T(summary), I(status), I(live), I(uses), I(used), T(terms), T(bundle), T(met), DUE(, due), I(end_seq), I(leaf), B(leaf_hash), I(rev), DUE_(from_, from, true), I2(review), T2(reviewer), I2(spent_statements), I2(spent_rows), I2(spent_bytes), I2(binds) };
#undef R
static const struct core_index grants_index[] = { { true, 1, { 0 } }, { false, 1, { 1 } }, { false, 3, { 5, 11, 0 } }, { false, 2, { 11, 0 } }, { false, 2, { 11, 17 } }, { false, 3, { 11, 19, 18 } }, { false, 3, { 6, 27, 0 } }, { false, 4, { 4, 5, 11, 0 } } };

#define R struct core_claim_row
static const struct core_column claim_cols[] = { T(id), AS(grant_id, TEXT, grant), T(ckey), T(session), T(gateway), I(at_ms), I(outcome), T(tag), I(nrows), I(leaf), B(leaf_hash), I(rev), I2(nbytes), I2(statements) };
#undef R
static const struct core_index claim_index[] = { { true, 1, { 0 } }, { true, 2, { 1, 2 } }, { false, 3, { 1, 6, 0 } } };

#define R struct core_end_row
static const struct core_column ends_cols[] = { I(seq), AS(grant_id, TEXT, grant), T(principal), T(target), T(reason), I(at_ms) };
#undef R
static const struct core_index ends_index[] = { { true, 1, { 0 } } };

#define R struct core_ack_row
static const struct core_column ack_cols[] = { T(gateway), I(seq), AS(grant_id, TEXT, grant), I(done) };
#undef R
static const struct core_index ack_index[] = { { true, 2, { 0, 1 } }, { false, 2, { 2, 0 } } };

#define R struct core_text_row
static const struct core_column texts_cols[] = { T(owner), T(kind), B(salt), B(text) };
#undef R
static const struct core_index texts_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_leaf_row
static const struct core_column leaf_cols[] = { I(idx), T(entry), B(hash) };
#undef R
static const struct core_index leaf_index[] = { { true, 1, { 0 } } };

#define R struct core_node_row
static const struct core_column node_cols[] = { I(level), I(idx), B(hash) };
#undef R
static const struct core_index node_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_party_row
static const struct core_column party_cols[] = { T(request), T(kind), T(person) };
#undef R
static const struct core_index party_index[] = { { true, 3, { 0, 1, 2 } }, { false, 2, { 2, 0 } } };

#define R struct core_remark_row
static const struct core_column remark_cols[] = { T(request), T(id), T(person), T(kind), I(at_ms) };
#undef R
static const struct core_index remark_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_timer_row
static const struct core_column timer_cols[] = { T(request), T(kind), I(at_ms), T(data) };
#undef R
static const struct core_index timer_index[] = { { true, 2, { 0, 1 } }, { false, 1, { 2 } } };

#define R struct core_delegation_row
static const struct core_column delegation_cols[] = { T(id), T(giver), T(taker), I(live), DUE(, due), I(at_ms), I(leaf), B(leaf_hash), I(rev) };
#undef R
static const struct core_index delegation_index[] = { { true, 1, { 0 } }, { false, 2, { 2, 3 } }, { false, 2, { 1, 3 } }, { false, 2, { 3, 4 } } };

#define R struct core_idem_row
static const struct core_column idem_cols[] = { T(person), T(ckey), T(ask), T(request), I(at_ms) };
#undef R
static const struct core_index idem_index[] = { { true, 2, { 0, 1 } }, { false, 1, { 4 } } };

#define R struct core_channel_row
static const struct core_column channel_cols[] = { T(name), T(kind), T(settings), I(live), T(why_off), I(at_ms), I(leaf), B(leaf_hash), I(rev) };
#undef R
static const struct core_index channel_index[] = { { true, 1, { 0 } } };

#define R struct core_channel_state_row
static const struct core_column channel_state_cols[] = { T(channel), I(waiting), I(dead), I(dropped), I(fails), I(pause_ms), I(ok_ms), T(error) };
#undef R
static const struct core_index channel_state_index[] = { { true, 1, { 0 } } };

#define R struct core_contact_row
static const struct core_column contact_cols[] = { T(person), T(kind), T(address), B(salt), I(leaf), B(leaf_hash), I(rev) };
#undef R
static const struct core_index contact_index[] = { { true, 2, { 0, 1 } }, { true, 2, { 1, 2 } } };

#define R struct core_message_row
static const struct core_column message_cols[] = { T(id), T(channel), I(status), I(at_ms), T(request), T(person), T(what), I(version), I(want), I(sent), I(tries), I(lease), I(leased), I(created_ms), T(ref), T(note), T(error) };
#undef R
static const struct core_index message_index[] = { { true, 1, { 0 } }, { false, 3, { 1, 2, 3 } }, { false, 3, { 4, 1, 5 } }, { false, 3, { 5, 1, 2 } } };

#define R struct core_prompts_row
static const struct core_column prompts_cols[] = { T(channel), T(person), I(from_ms), I(n) };
#undef R
static const struct core_index prompts_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_seen_row
static const struct core_column seen_cols[] = { B(hash), I(at_ms) };
#undef R
static const struct core_index seen_index[] = { { true, 1, { 0 } }, { false, 1, { 1 } } };

#define R struct core_entity_row
static const struct core_column entity_cols[] = { T(type), T(id), T(attrs), T(parents), I(at_ms) };
#undef R
static const struct core_index entity_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_arap_key_row
static const struct core_column arap_key_cols[] = { T(kid), B(secret), I(at_ms) };
#undef R
static const struct core_index arap_key_index[] = { { true, 1, { 0 } } };

#define R struct core_arap_task_row
static const struct core_column arap_task_cols[] = { T(task), T(request), T(caller), T(binding), T(evaluation), T(approval), T(asked), I(at_ms) };
#undef R
static const struct core_index arap_task_index[] = { { true, 1, { 0 } }, { true, 1, { 5 } }, { false, 1, { 1 } } };

#define R struct core_arap_callback_row
static const struct core_column arap_callback_cols[] = { T(request), T(task), T(channel) };
#undef R
static const struct core_index arap_callback_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_habit_row
static const struct core_column habit_cols[] = { T(person), T(action), T(kind), T(what), I(weight), I(at_ms) };
#undef R
static const struct core_index habit_index[] = { { true, 4, { 0, 1, 2, 3 } } };

#define R struct core_facts_row
static const struct core_column facts_cols[] = { T(type), T(id), T(environment), T(tags) };
#undef R
static const struct core_index facts_index[] = { { true, 2, { 0, 1 } } };

#define R struct core_on_call_row
static const struct core_column on_call_cols[] = { T(list), T(person), DUE(, due), I(at_ms), I(leaf), B(leaf_hash), I(rev) };
#undef R
static const struct core_index on_call_index[] = { { true, 2, { 0, 1 } }, { false, 2, { 1, 0 } } };

#define R struct core_profile_row
static const struct core_column profile_cols[] = { T(person), T(zone), I(quiet_from), I(quiet_to), I(quiet_days) };
#undef R
static const struct core_index profile_index[] = { { true, 1, { 0 } } };

#define R struct core_succession_row
static const struct core_column succession_cols[] = { I(n), I(kind), T(note), T(text) };
#undef R
static const struct core_index succession_index[] = { { true, 1, { 0 } } };

#define R struct core_published_row
static const struct core_column published_cols[] = { I(id), I(size), T(note) };
#undef R
static const struct core_index published_index[] = { { true, 1, { 0 } } };

#define R struct core_witness_row
static const struct core_column witness_cols[] = { T(name), T(line), T(url), I(size), I(at_ms), T(said) };
#undef R
static const struct core_index witness_index[] = { { true, 1, { 0 } } };

#define R struct core_provider_row
static const struct core_column provider_cols[] = { T(name), T(kind), T(config), I(at_ms), I(leaf), B(leaf_hash), I(rev) };
#undef R
static const struct core_index provider_index[] = { { true, 1, { 0 } }, { false, 2, { 1, 0 } } };

#define R struct core_identity_row
static const struct core_column identity_cols[] = { T(provider), T(subject), T(person), B(salt), I(at_ms), I(leaf), B(leaf_hash), I(rev) };
#undef R
static const struct core_index identity_index[] = { { true, 2, { 0, 1 } }, { false, 2, { 2, 0 } } };

#define R struct core_login_row
static const struct core_column login_cols[] = { B(hash), T(kind), T(code), T(person), T(data), DUE(, due) };
#undef R
static const struct core_index login_index[] = { { true, 1, { 0 } }, { false, 1, { 5 } }, { false, 2, { 1, 2 } } };

#define R struct core_token_row
static const struct core_column token_cols[] = { B(hash), T(id), T(who), T(maker), T(name), I(rights), I(created_ms), DUE(, due), I(leaf), B(leaf_hash), I(rev) };
#undef R
static const struct core_index token_index[] = { { true, 1, { 0 } }, { true, 1, { 1 } }, { false, 2, { 2, 1 } }, { false, 1, { 7 } }, { false, 2, { 3, 1 } } };

#define R struct core_token_use_row
static const struct core_column token_use_cols[] = { T(id), I(used_ms), T(address) };
#undef R
static const struct core_index token_use_index[] = { { true, 1, { 0 } } };

#define R struct core_passkey_row
static const struct core_column passkey_cols[] = { B(id), T(uid), T(person), B(cose), T(name), I(created_ms), I(leaf), B(leaf_hash) };
#undef R
static const struct core_index passkey_index[] = { { true, 1, { 0 } }, { true, 1, { 1 } }, { false, 2, { 2, 1 } } };

#define R struct core_passkey_use_row
static const struct core_column passkey_use_cols[] = { T(uid), I(count), I(used_ms) };
#undef R
static const struct core_index passkey_use_index[] = { { true, 1, { 0 } } };

static const struct core_table_def tables[CORE_TABLES] = {
    [CORE_STATE] = { "state", sizeof(struct core_state_row), state_cols, COUNT(state_cols), state_index, COUNT(state_index), -1 },
    [CORE_PERSON] = { "person", sizeof(struct core_person_row), person_cols, COUNT(person_cols), person_index, COUNT(person_index), -1 },
    [CORE_ACCOUNT] = { "account", sizeof(struct core_account_row), account_cols, COUNT(account_cols), account_index, COUNT(account_index), -1 },
    [CORE_MEMBER] = { "member", sizeof(struct core_member_row), member_cols, COUNT(member_cols), member_index, COUNT(member_index), -1 },
    [CORE_LINK] = { "link", sizeof(struct core_link_row), link_cols, COUNT(link_cols), link_index, COUNT(link_index), -1 },
    [CORE_SESSION] = { "session", sizeof(struct core_session_row), session_cols, COUNT(session_cols), session_index, COUNT(session_index), -1 },
    [CORE_TARGET] = { "target", sizeof(struct core_target_row), target_cols, COUNT(target_cols), target_index, COUNT(target_index), -1 },
    [CORE_GATEWAY] = { "gateway", sizeof(struct core_gateway_row), gateway_cols, COUNT(gateway_cols), gateway_index, COUNT(gateway_index), -1 },
    [CORE_GATEWAY_TARGET] = { "gateway_target", sizeof(struct core_gateway_target_row), gateway_target_cols, COUNT(gateway_target_cols), gateway_target_index, COUNT(gateway_target_index), -1 },
    [CORE_CREDENTIAL] = { "credential", sizeof(struct core_credential_row), credential_cols, COUNT(credential_cols), credential_index, COUNT(credential_index), -1 },
    [CORE_BUNDLE] = { "bundle", sizeof(struct core_bundle_row), bundle_cols, COUNT(bundle_cols), bundle_index, COUNT(bundle_index), -1 },
    [CORE_REQUEST] = { "request", sizeof(struct core_request_row), request_cols, COUNT(request_cols), request_index, COUNT(request_index), 28 },
    [CORE_ELIGIBLE] = { "eligible", sizeof(struct core_eligible_row), eligible_cols, COUNT(eligible_cols), eligible_index, COUNT(eligible_index), -1 },
    [CORE_WAITER] = { "waiter", sizeof(struct core_waiter_row), waiter_cols, COUNT(waiter_cols), waiter_index, COUNT(waiter_index), -1 },
    [CORE_VOTE] = { "vote", sizeof(struct core_vote_row), vote_cols, COUNT(vote_cols), vote_index, COUNT(vote_index), -1 },
    [CORE_GRANT] = { "grants", sizeof(struct core_grant_row), grants_cols, COUNT(grants_cols), grants_index, COUNT(grants_index), 23 },
    [CORE_CLAIM] = { "claim", sizeof(struct core_claim_row), claim_cols, COUNT(claim_cols), claim_index, COUNT(claim_index), 11 },
    [CORE_END] = { "ends", sizeof(struct core_end_row), ends_cols, COUNT(ends_cols), ends_index, COUNT(ends_index), -1 },
    [CORE_ACK] = { "ack", sizeof(struct core_ack_row), ack_cols, COUNT(ack_cols), ack_index, COUNT(ack_index), -1 },
    [CORE_TEXT_OF] = { "texts", sizeof(struct core_text_row), texts_cols, COUNT(texts_cols), texts_index, COUNT(texts_index), -1 },
    [CORE_LEAF] = { "leaf", sizeof(struct core_leaf_row), leaf_cols, COUNT(leaf_cols), leaf_index, COUNT(leaf_index), -1 },
    [CORE_NODE] = { "node", sizeof(struct core_node_row), node_cols, COUNT(node_cols), node_index, COUNT(node_index), -1 },
    [CORE_PARTY] = { "party", sizeof(struct core_party_row), party_cols, COUNT(party_cols), party_index, COUNT(party_index), -1 },
    [CORE_REMARK] = { "remark", sizeof(struct core_remark_row), remark_cols, COUNT(remark_cols), remark_index, COUNT(remark_index), -1 },
    [CORE_TIMER] = { "timer", sizeof(struct core_timer_row), timer_cols, COUNT(timer_cols), timer_index, COUNT(timer_index), -1 },
    [CORE_DELEGATION] = { "delegation", sizeof(struct core_delegation_row), delegation_cols, COUNT(delegation_cols), delegation_index, COUNT(delegation_index), 10 },
    [CORE_IDEM] = { "idem", sizeof(struct core_idem_row), idem_cols, COUNT(idem_cols), idem_index, COUNT(idem_index), -1 },
    [CORE_CHANNEL] = { "channel", sizeof(struct core_channel_row), channel_cols, COUNT(channel_cols), channel_index, COUNT(channel_index), 8 },
    [CORE_CHANNEL_STATE] = { "channel_state", sizeof(struct core_channel_state_row), channel_state_cols, COUNT(channel_state_cols), channel_state_index, COUNT(channel_state_index), -1 },
    [CORE_CONTACT] = { "contact", sizeof(struct core_contact_row), contact_cols, COUNT(contact_cols), contact_index, COUNT(contact_index), 6 },
    [CORE_MESSAGE] = { "message", sizeof(struct core_message_row), message_cols, COUNT(message_cols), message_index, COUNT(message_index), -1 },
    [CORE_PROMPTS] = { "prompts", sizeof(struct core_prompts_row), prompts_cols, COUNT(prompts_cols), prompts_index, COUNT(prompts_index), -1 },
    [CORE_ENTITY] = { "entity", sizeof(struct core_entity_row), entity_cols, COUNT(entity_cols), entity_index, COUNT(entity_index), -1 },
    [CORE_ARAP_KEY] = { "arap_key", sizeof(struct core_arap_key_row), arap_key_cols, COUNT(arap_key_cols), arap_key_index, COUNT(arap_key_index), -1 },
    [CORE_ARAP_TASK] = { "arap_task", sizeof(struct core_arap_task_row), arap_task_cols, COUNT(arap_task_cols), arap_task_index, COUNT(arap_task_index), -1 },
    [CORE_ARAP_CALLBACK] = { "arap_callback", sizeof(struct core_arap_callback_row), arap_callback_cols, COUNT(arap_callback_cols), arap_callback_index, COUNT(arap_callback_index), -1 },
    [CORE_SEEN] = { "seen", sizeof(struct core_seen_row), seen_cols, COUNT(seen_cols), seen_index, COUNT(seen_index), -1 },
    [CORE_HABIT] = { "habit", sizeof(struct core_habit_row), habit_cols, COUNT(habit_cols), habit_index, COUNT(habit_index), -1 },
    [CORE_FACTS] = { "facts", sizeof(struct core_facts_row), facts_cols, COUNT(facts_cols), facts_index, COUNT(facts_index), -1 },
    [CORE_ON_CALL] = { "on_call", sizeof(struct core_on_call_row), on_call_cols, COUNT(on_call_cols), on_call_index, COUNT(on_call_index), 8 },
    [CORE_PROFILE] = { "profile", sizeof(struct core_profile_row), profile_cols, COUNT(profile_cols), profile_index, COUNT(profile_index), -1 },
    [CORE_SUCCESSION] = { "succession", sizeof(struct core_succession_row), succession_cols, COUNT(succession_cols), succession_index, COUNT(succession_index), -1 },
    [CORE_PUBLISHED] = { "published", sizeof(struct core_published_row), published_cols, COUNT(published_cols), published_index, COUNT(published_index), -1 },
    [CORE_WITNESS] = { "witness", sizeof(struct core_witness_row), witness_cols, COUNT(witness_cols), witness_index, COUNT(witness_index), -1 },
    [CORE_PROVIDER] = { "provider", sizeof(struct core_provider_row), provider_cols, COUNT(provider_cols), provider_index, COUNT(provider_index), 6 },
    [CORE_IDENTITY] = { "identity", sizeof(struct core_identity_row), identity_cols, COUNT(identity_cols), identity_index, COUNT(identity_index), 7 },
    [CORE_LOGIN] = { "login", sizeof(struct core_login_row), login_cols, COUNT(login_cols), login_index, COUNT(login_index), -1 },
    [CORE_TOKEN] = { "token", sizeof(struct core_token_row), token_cols, COUNT(token_cols), token_index, COUNT(token_index), 12 },
    [CORE_TOKEN_USE] = { "token_use", sizeof(struct core_token_use_row), token_use_cols, COUNT(token_use_cols), token_use_index, COUNT(token_use_index), -1 },
    [CORE_PASSKEY] = { "passkey", sizeof(struct core_passkey_row), passkey_cols, COUNT(passkey_cols), passkey_index, COUNT(passkey_index), -1 },
    [CORE_PASSKEY_USE] = { "passkey_use", sizeof(struct core_passkey_use_row), passkey_use_cols, COUNT(passkey_use_cols), passkey_use_index, COUNT(passkey_use_index), -1 },
};

const struct core_table_def *core_table_of(enum core_table t)
{
    return &tables[t];
}

static bool is_leaf_column(const struct core_column *c)
{
    struct phi_view name = phi_view_of(c->name);
    return phi_view_is(name, "leaf") || phi_view_is(name, "leaf_hash");
}

static size_t put_int(uint64_t x, uint8_t *num, struct phi_view *part, size_t n)
{
    for (int b = 0; b < 8; b++)
        num[b] = (uint8_t)(x >> (56 - 8 * b));
    part[n] = phi_view_mem(num, 8);
    return n + 1;
}

struct phi_digest core_row_hash(enum core_table t, const void *row)
{
    const struct core_table_def *d = core_table_of(t);
    struct phi_view part[3 * CORE_MAX_COLUMNS];
    uint8_t num[CORE_MAX_COLUMNS][16];
    size_t n = 0;
    for (int i = 0; i < d->n_cols; i++) {
        const struct core_column *c = &d->cols[i];
        bool text = c->kind != CORE_INT;
        struct phi_view v = text ? core_row_text(row, c) : (struct phi_view){ 0 };
        uint64_t x = text ? v.n : (uint64_t)core_row_int(row, c);
        if (is_leaf_column(c) || (c->later && x == 0))
            continue;
        if (c->later)
            n = put_int((uint64_t)i, num[i] + 8, part, n);
        n = put_int(x, num[i], part, n);
        if (text && v.n > 0)
            part[n++] = v;
    }
    return phi_sha256_parts(part, n);
}
