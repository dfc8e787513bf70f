/* The few pages that phid writes itself: sign-in and what a signed-in person confirms there. No script; text is escaped. */
#ifndef API_PAGE_H
#define API_PAGE_H

#include "api/call.h"

void api_html_add(struct phi_buf *b, struct phi_view text); /* escaped; invisible characters as people must see them */
/* Begins and ends the answer as a page. `refresh`: a URL to go to at once, "" none. */
void api_page_begin(struct api_call *c, int status, const char *title, struct phi_view refresh);
void api_page_end(struct api_call *c);
/* A page that goes on to `url` by itself. Not a redirect: a form may be answered so (CSP's form-action would refuse the other's
 * address), and what follows counts as coming from here, so that a SameSite=Strict cookie goes along. */
enum phi_rc api_page_go(struct api_call *c, struct phi_view url, const char *what);

/* A field of the form, decoded; "" when absent. */
struct phi_view api_form(struct api_call *c, const char *name);
/* Appends what is safe in a URL's query. */
void api_url_add(struct phi_buf *b, struct phi_view text);

/* Who is signed in by a cookie on a page that anybody may open: fills session and person; false: nobody. */
bool api_page_person(struct api_call *c);
/* For a form that changes something: signed in, and the form's `csrf` is the session's. */
enum phi_rc api_page_admit(struct api_call *c, struct phi_err *err);
/* What to do first: sign in, then come back to `next`. */
enum phi_rc api_page_sign_in(struct api_call *c, struct phi_view next, struct phi_err *err);
/* A path of ours that a sign-in may lead to; else "/". */
struct phi_view api_next_ok(struct phi_view next);

#endif
