/* For whom a request stands and who signs it (by itself: acting for others, signed votes); -DPART_CHANGE: a change of phi that
 * waits for its approval and is made by it; -DPART_QUIET: approvers' quiet hours, reminders and the fallback's turn.
 *
 * Ghosts (truly, madeBy…, told…) know the truth and only stand in assertions. Each -DBUG_… seeds one fault; test/spin/run.sh
 * shows that the model is clean and that every fault is caught. Blocks that are atomic are core's transactions. */
#define NONE 9
#define ALICE 1     /* asks, for pat */
#define PAT 2       /* may approve, but not what is done for him */
#define BOB 3
mtype = { PENDING, LIVE, OVER };

#ifdef PART_CHANGE
/* ---- a change of phi: the vote that completes it, the grant, its only use and the change itself are one transaction */
mtype st = PENDING;
byte applied = 0, leaves = 0, granted = 0;
bool frozen = false;              /* the live policy forbids it */

#ifdef BUG_CHANGE_POLICY
#define STILL true                /* judged as of the request */
#else
#define STILL (!frozen)
#endif
#ifdef BUG_CHANGE_TWICE
#define OPEN (st == PENDING || st == OVER && granted < 2)   /* the answer was lost; asked again it is made again */
#else
#define OPEN (st == PENDING)
#endif
proctype Approver() {
  atomic { (OPEN && STILL) -> assert(!frozen); granted++; st = OVER;
#ifdef BUG_CHANGE_TORN
    skip }                        /* and the power may go here */
  atomic {
#endif
    applied++; leaves++ }
}
#ifdef BUG_CHANGE_DOOR
proctype Requester() {            /* the call itself, with the right that a change waits for */
  atomic { (st == PENDING) -> applied++; leaves++ }
}
#endif
proctype Policy() { atomic { frozen = true } }
proctype Look() {                 /* at any time between two transactions */
  atomic { assert(applied == granted); assert(leaves == applied); assert(applied <= 1) }
}
init { atomic {
#ifdef BUG_CHANGE_DOOR
  run Requester();
#endif
  run Approver(); run Approver(); run Policy(); run Look() } }

#else
#ifdef PART_QUIET
/* ---- bob sleeps from 1 to 3, carol from 2 to 4; the fallback's turn comes at 5, or when nobody of the set is reached */
#define TMAX 6
#define FALLBACK 5
#define BOB_QUIET (tt >= 1 && tt < 3)
#define CAROL_QUIET (tt >= 2 && tt < 4)
byte tt = 0, due = 2, told = 0;
mtype st = PENDING;
bool over = false, refused = false;

#ifdef BUG_QUIET_ANY
#define NONE_AWAKE (BOB_QUIET || CAROL_QUIET)
#else
#define NONE_AWAKE (BOB_QUIET && CAROL_QUIET)
#endif
#ifdef BUG_QUIET_NEVER
#define TURN (NONE_AWAKE && tt >= FALLBACK)
#else
#define TURN (NONE_AWAKE || tt >= FALLBACK)
#endif
proctype Fallback() {
  do
  :: atomic { (st == PENDING && TURN) -> assert(tt >= FALLBACK || (BOB_QUIET && CAROL_QUIET)); st = LIVE; break }
  :: atomic { (st == PENDING && !TURN && tt == FALLBACK) -> assert(false) }
  :: atomic { (over || st != PENDING) -> break }
  od
}
proctype Bob() {                  /* quiet hours keep messages away, not votes */
  atomic { (st == PENDING) ->
#ifdef BUG_QUIET_VOTE
    if :: BOB_QUIET -> refused = true :: else -> st = LIVE fi;
#else
    st = LIVE;
#endif
    assert(!refused) }
}
proctype Timer() {
  do
  :: atomic { (st == PENDING && !over && tt >= due) ->
       if
#ifndef BUG_QUIET_TOLD
       :: (BOB_QUIET && CAROL_QUIET) ->
#ifdef BUG_QUIET_LOST
          due = 20
#else
          due = 3                 /* when the first of them is awake */
#endif
       :: else ->
#else
       :: true ->
#endif
          assert(!(BOB_QUIET && CAROL_QUIET)); told++; due = 20
       fi }
  :: atomic { (over || st != PENDING) -> break }
  od
}
/* Time goes on when the timer has done what is due. */
proctype Clock() {
  do
  :: atomic { (tt < TMAX && (due > tt || st != PENDING)) -> tt++ }
  :: atomic { (tt >= TMAX) -> assert(told == 1 || st != PENDING); over = true; break }
  od
}
init { atomic { run Fallback(); run Bob(); run Timer(); run Clock() } }

#else
/* ---- for pat, by a signed vote */
mtype st = PENDING;
byte version = 0, voter = NONE, signedVersion = NONE, signedBy = NONE;
bool forPat = true;               /* as stored */
bool truly = true;                /* ghost: alice acts for pat, whatever is stored */
bool patMay = true, aliceMay = true;
bool bobsKey = true;              /* still his */
byte effects = 0;

proctype Requester() {            /* edits once: votes are void, for whom it is stays */
  atomic { (st == PENDING) ->
    version = 1;
#ifdef BUG_EDIT_BEHALF
    forPat = false;
#endif
    skip }
}
#ifdef BUG_BEHALF
#define OTHER(who) (who != ALICE)
#else
#define OTHER(who) (who != ALICE && !(forPat && who == PAT))
#endif
#ifdef BUG_SIG_NONE
#define SIGNED(key, v, who) true
#else
#ifdef BUG_SIG_KEY
#define SIGNED(key, v, who) (key != NONE && v == version)   /* somebody's signature */
#else
#ifdef BUG_SIG_OLD
#define SIGNED(key, v, who) (key == who)                    /* over whatever they saw */
#else
#define SIGNED(key, v, who) (key == who && v == version)
#endif
#endif
#endif
proctype Approver(byte who) {
  byte seen, key;
  seen = version;
  if :: key = who :: key = ALICE :: key = NONE fi;          /* their own, one that another handed them, none */
  atomic { (st == PENDING && OTHER(who) && SIGNED(key, seen, who) && (who != BOB || bobsKey)) ->
    voter = who; signedVersion = seen; signedBy = key; st = LIVE;
    assert(!(truly && who == PAT)); assert(who != ALICE);
    assert(signedBy == who); assert(signedVersion == version) }
}
proctype Policy() { if :: atomic { patMay = false } :: atomic { aliceMay = false } :: skip fi }
proctype KeyGone() { atomic { bobsKey = false } }           /* reported stolen */

#ifdef BUG_CHAIN
#define MAY (aliceMay)                                      /* only who asks is judged again */
#else
#define MAY (aliceMay && (!forPat || patMay))
#endif
#ifdef BUG_SIG_KEPT
#define PROVEN true                                         /* it held when it was cast */
#else
#define PROVEN (signedBy != BOB || bobsKey)
#endif
proctype Gateway() {
  byte n = 0;
  do
  :: n < 2 -> n++;
     atomic {
       if
       :: (st == LIVE && MAY && PROVEN && effects == 0) ->
          effects++;
          assert(aliceMay && (!truly || patMay)); assert(signedBy != BOB || bobsKey)
       :: else
       fi }
  :: else -> break
  od
}
proctype Late() {                 /* an edit after the grant is refused: nothing that was signed is void while it gives a right */
#ifdef BUG_SIG_EDIT
  atomic { (st == LIVE) -> version = 1 }
  atomic { (st == LIVE && effects == 0) -> assert(signedVersion == version) }
#else
  atomic { (st == LIVE) -> assert(signedVersion == version && signedBy == voter) }
#endif
}
init { atomic { run Gateway(); run Policy(); run KeyGone(); run Late(); run Approver(BOB); run Approver(PAT); run Requester() } }
#endif
#endif
