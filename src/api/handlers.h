/* The handlers of the command table, one a row; each stands in the cmd_*.c of its noun. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/call.h"

#define API_HANDLERS(X)                                                                            \
    X(passkey_list) X(passkey_options) X(passkey_add) X(passkey_remove) X(passkey_login_options) X(passkey_login) X(vote_options) X(recovery_ask) X(recovery_list) X(recovery_approve)  \
    X(healthz) X(readyz) X(oidc_start) X(oidc_callback) X(login_choose) X(login_options) X(provider_put) X(provider_del) X(provider_list) X(identity_link) \
    X(identity_unlink) X(identity_list) X(service_add) X(token_make) X(token_list) X(token_revoke) X(session_list) X(session_end_one) \
    X(session_end_others) X(device_begin) X(device_page) X(device_confirm) X(authorize_page) X(authorize_confirm) X(token_grant)                                                                                      \
    X(metrics) X(error_page)                                                                                     \
    X(openapi_get) X(login_css) X(login_page) X(login_use) X(session_make) X(session_end)          \
        X(whoami) X(person_add) X(person_list) X(person_forget) X(member_add) X(member_del) X(account_add)          \
            X(link_make) X(target_add) X(target_list) X(credential_make) X(bundle_put)             \
                X(bundle_get) X(gateway_add) X(gateway_list) X(request_make) X(request_list) X(requests_replay)       \
                    X(request_get) X(vote) X(request_cancel) X(grant_list) X(grant_revoke)         \
                        X(grant_return) X(request_edit) X(request_remark) X(request_watch) X(grant_revoke_many)      \
                        X(grant_review) X(delegation_make) X(delegation_list) X(delegation_end)    \
                        X(log_checkpoint) X(log_key) X(log_steps) X(log_comparison) X(witness_list) X(witness_set) X(witness_remove) X(witness_need) X(log_vouch) X(log_consistency)            \
                            X(log_proof) X(log_entries) X(log_tile) X(log_bundle) X(log_receipt) X(events_person) X(events_gateway)         \
                                X(gw_enroll) X(gw_certificate) X(gateway_remove) X(gw_snapshot) X(gw_lease) X(gw_request) X(gw_leave)  \
                                X(gw_request_get)                                                  \
                                    X(gw_claim) X(gw_await) X(gw_withdraw) X(gw_outcome) X(gw_records) X(gw_ack) X(gw_report) X(doctor)              \
                                        X(authzen_evaluate)                                                            \
    X(channel_list) X(channel_put) X(channel_del) X(channel_switch) X(channel_test) X(contact_list) X(contact_put) X(contact_del)   \
    X(notification_dead) X(notification_waiting) X(notification_resend) X(chat_slack) X(authzen_evaluations) X(authzen_subjects) X(authzen_resources) X(authzen_actions) \
                                        X(forward) X(held_page) X(held_ask) X(authzen_metadata) X(arap_submit) X(arap_status) X(arap_cancel) X(arap_jwks) X(entities_put) X(entity_list) X(entity_remove) X(facts_put) X(facts_list) X(on_call_put) X(on_call_end) X(on_call_list) X(profile_get) X(profile_put)
#define X(name) enum phi_rc api_##name(struct api_call *c, struct phi_err *err);
API_HANDLERS(X)
#undef X

struct core_ahead;
void api_gw_foresee(struct api_call *c, struct core_ahead *h); /* what the handlers of claims and outcomes will read */
enum phi_rc api_bundle_match(struct api_call *c, struct phi_err *err); /* If-Match of PUT /v1/bundle: before it is done or filed */

#endif
