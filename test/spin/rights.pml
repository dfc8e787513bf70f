/* Whom a right rests on, and when it serves: ordered stages, delegation, narrowing, a rule; a start in the future, the
 * clock from first use, a budget, a policy change; break-glass and its review; reboots, over which no right is written anew.
 *
 * Ghosts (tt, first, taken, broken, reviewed, votedAt…) know the truth and only stand in assertions. Each -DBUG_… seeds
 * one fault; test/spin/run.sh shows that the model is clean and that every fault is caught. Blocks that are atomic are
 * core's transactions. */
#define ASKED 3     /* uses */
#define FROM 1      /* begins then */
#define TTL 2       /* from the first use */
#define UNTIL 4     /* at the latest */
#define BUDGET 2    /* rows */
#define TMAX 4
#define NONE 200

#define ALICE 1     /* asks */
#define BOB 2       /* in the sets of both stages */
#define CAROL 3     /* in that of stage 2 */
#define MALLORY 4   /* in none; bob may delegate to him */
#define ALICE2 5    /* alice's other account */

mtype = { PENDING, LIVE, OVER };

/* ---- durable: the request's votes */
mtype st = PENDING;
byte stage = 1, by1 = 0, by2 = 0;   /* who fills the place of each stage */
bool bobsVoteUsed = false;          /* by himself or by whom he delegated to */
bool delegated = false;             /* live */
byte uses = ASKED;
/* ---- the grant */
byte used = 0, spent = 0, running = 0, due = NONE;
bool frozen = false;                /* the live policy forbids it */
/* ---- break-glass */
mtype glass = OVER;
bool open = false;                  /* its review */

byte wall = 0, boot = 0;
bool stepped = false;

/* ---- ghosts */
byte tt = 0, at1 = NONE, at2 = NONE, tick = 0, least = ASKED, first = NONE, taken = 0, broken = 0, reviewed = 0;

inline complete() {
  if
  :: (by1 != 0 && by2 != 0
#ifndef BUG_DELEG_END
      && (by1 != MALLORY && by2 != MALLORY || delegated)     /* eligible then and now */
#endif
     ) ->
     st = LIVE; due = UNTIL;
     assert(at1 < at2);                                      /* in order */
     assert(!((by1 == BOB && by2 == MALLORY) || (by1 == MALLORY && by2 == BOB))); /* one person, one place */
     assert(by1 != by2);
     assert((by1 != MALLORY && by2 != MALLORY) || delegated);
     assert(by1 != ALICE2 && by2 != ALICE2 && by1 != ALICE && by2 != ALICE)
  :: else
  fi
}
#ifdef BUG_NARROW
#define NARROWED(n) n                                        /* the last one wins */
#else
#define NARROWED(n) (n < uses -> n : uses)
#endif
inline vote(who, can1, can2, bound) {
  if
  :: (stage == 1 && can1 && by1 == 0) -> by1 = who; at1 = tick; tick++; stage = 2
#ifdef BUG_STAGE
  :: (stage == 1 && can2 && by2 == 0 && by1 != who) -> by2 = who; at2 = tick; tick++
#endif
  :: (stage == 2 && can2 && by2 == 0 && by1 != who) -> by2 = who; at2 = tick; tick++
  :: else -> skip
  fi;
  if
  :: (by1 == who || by2 == who) -> uses = NARROWED(bound); least = (bound < least -> bound : least)
  :: else
  fi;
  complete()
}

#ifdef BUG_DELEGATE
#define BOBS_FREE true
#else
#define BOBS_FREE (!bobsVoteUsed)
#endif
proctype Bob() {
  byte n;
  atomic { (st == PENDING && BOBS_FREE) -> bobsVoteUsed = true;
    if :: n = 1 :: n = ASKED fi;     /* narrows, or not */
    vote(BOB, true, true, n) }
}
proctype Delegate() {               /* votes with bob's right, while he lets him */
  atomic { (st == PENDING && delegated && BOBS_FREE) -> bobsVoteUsed = true; vote(MALLORY, true, true, ASKED) }
}
proctype Giver() {
  atomic { (tt == 0 && st == PENDING) -> delegated = true }
  atomic { delegated -> delegated = false }
}
proctype Carol() {
  atomic { (st == PENDING
#ifndef BUG_STAGE
            && stage == 2
#endif
           ) -> vote(CAROL, false, true, ASKED) }
}
#ifdef BUG_RULE
proctype Rule() {                   /* a rule that votes for a place without being in its set */
  atomic { (st == PENDING) -> vote(ALICE2, true, true, ASKED) }
}
#endif

#ifdef BUG_EARLY
#define BEGUN (wall >= FROM)        /* by the clock that somebody may set */
#else
#define BEGUN (wall >= FROM && boot >= FROM)
#endif
#ifdef BUG_FROM
#define STARTED true
#else
#define STARTED BEGUN
#endif
#ifdef BUG_BUSY
#define FREE true
#else
#define FREE (running == 0)
#endif
#ifdef BUG_POLICY_CLAIM
#define ALLOWED true
#else
#define ALLOWED (!frozen)
#endif
proctype Gateway() {
  byte rows = 0, k = 0;
  do
  :: k < 2 ->
     k++;
     atomic {
       if
       :: (st == LIVE && boot < due && STARTED && ALLOWED && used < uses && FREE && spent < BUDGET) ->
          used++; running++;
          rows = BUDGET - spent;                             /* at most so many go to the client */
#ifdef BUG_FIRST_USE
          due = (boot + TTL < UNTIL -> boot + TTL : UNTIL);  /* each use starts the clock anew */
#else
          if :: (first == NONE) -> due = (boot + TTL < UNTIL -> boot + TTL : UNTIL) :: else fi;
#endif
          if :: (first == NONE) -> first = tt :: else fi;
          assert(tt >= FROM);
          assert(tt < first + TTL && tt < UNTIL);
          assert(used <= least);
          assert(!frozen)
       :: else -> break
       fi }
     atomic {
       if :: rows = 0 :: skip fi;                            /* it takes nothing, or all it may */
#ifndef BUG_METER
       spent = spent + rows;
#endif
       taken = taken + rows; running--; rows = 0;
       assert(taken <= BUDGET) }
  :: else -> break
  od
}

proctype Policy() {                 /* one transaction: the bundle goes live, and what it does not allow ends */
  atomic { !frozen -> frozen = true;
#ifdef BUG_POLICY_CLAIM
    skip }                          /* and in between somebody claims */
  atomic {
#endif
#ifdef BUG_REDECIDE
    skip }
#else
    if :: st == LIVE -> st = OVER :: else -> if :: st == PENDING -> st = OVER :: else fi fi }
#endif
  assert(!(frozen && st == LIVE))
}

#ifdef BUG_GLASS_AGAIN
#define REVIEWED true
#else
#define REVIEWED (!open)
#endif
proctype Breaker() {
  byte n = 0;
  do
  :: n < 2 ->
     n++;
     atomic { (REVIEWED && glass == OVER) -> glass = LIVE; open = true; broken++; assert(broken - reviewed <= 1) }
     atomic { (glass == LIVE) -> glass = OVER }              /* short */
  :: else -> break
  od
}
#ifdef BUG_GLASS_SELF
#define OTHER(who) true
#else
#define OTHER(who) (who != ALICE && who != ALICE2)
#endif
#ifdef BUG_GLASS_EARLY
#define ENDED true
#else
#define ENDED (glass == OVER)
#endif
proctype Reviewer(byte who) {
  atomic { (open && OTHER(who) && ENDED) -> open = false; reviewed++;
           assert(who != ALICE && who != ALICE2); assert(glass == OVER) }
}

proctype Clock() {
  do
  :: tt < TMAX -> atomic { tt++; wall++; boot++ }
  :: !stepped -> atomic { stepped = true; wall = wall + 2 }  /* somebody sets it forward */
  :: tt >= TMAX -> break
  od
}

#ifdef PART_BOOT
/* A right bears the number of the boot that it was made in. The head row says of ended boots how much of their clock's time is gone, so
 * a new boot touches one row and no right; what it does not tell of has ended. The last anchor is as good as now (grant.pml). */
#define BOOTS 4
#define KEPT 2                      /* ended boots that it tells of */
#define LASTS 5
#define BOOT_TMAX 7
byte cur = 1, gone[BOOTS + 1];      /* durable */
bool tells[BOOTS + 1];
byte bornIn[2], dueW[2], dueB[2], trueEnd[2];

#ifdef BUG_BOOT_UNTOLD
#define READ(i) true                /* as if that boot's clock had gone on from nothing */
#else
#define READ(i) tells[bornIn[i]]
#endif
#define SERVES(i) (bornIn[i] != 0 && wall < dueW[i] && ((bornIn[i] == cur && boot < dueB[i]) || (bornIn[i] != cur && READ(i) && boot + gone[bornIn[i]] < dueB[i])))
#ifdef BUG_BOOT_LASTS               /* no fault: shows that a right may outlive two boots at all */
#define TRUE_END(i) (!(SERVES(i)) || bornIn[i] + 2 != cur)
#else
#define TRUE_END(i) (!(SERVES(i)) || tt < trueEnd[i])
#endif

proctype Maker(byte i) {
  atomic { bornIn[i] = cur; dueW[i] = wall + LASTS; dueB[i] = boot + LASTS; trueEnd[i] = tt + LASTS }
}

inline tell(since) {                /* since: from the last anchor, by the wall clock */
  b = 1;
  do
  :: b < cur ->
#ifndef BUG_BOOT_ONCE               /* only the boot that has just ended is counted on */
     gone[b] = gone[b] + boot + since;
#endif
     if :: b + KEPT <= cur -> tells[b] = false :: else fi;
     b++
  :: else -> break
  od;
  gone[cur] = boot + since; tells[cur] = true
}

proctype Machine() {
  byte b;
  do
  :: tt < BOOT_TMAX -> atomic { tt++; wall++; boot++ }
  :: !stepped -> atomic { stepped = true; wall = wall - 2 }
  :: cur < BOOTS && tt < BOOT_TMAX ->       /* off for one unit */
     atomic {
       tt++;
       if
       :: wall++; tell(1)
       :: wall = wall - 2;                  /* comes up before the anchor */
#ifdef BUG_BOOT_BACK
          tell(0)
#else
          b = 1; do :: b <= cur -> tells[b] = false; b++ :: else -> break od
#endif
       fi;
       cur++; boot = 0; b = 0 }
  :: tt >= BOOT_TMAX -> break
  od
}
proctype Watch() {
  do
  :: atomic { !TRUE_END(0) || !TRUE_END(1) -> assert(false) }
  :: tt >= BOOT_TMAX -> break
  od
}
#endif

init {
  atomic {
#ifdef PART_BOOT
    wall = 10; run Watch(); run Machine(); run Maker(0); run Maker(1)
#else
#ifdef PART_GLASS
    run Breaker(); run Reviewer(BOB); run Reviewer(ALICE2); run Reviewer(ALICE); run Reviewer(CAROL)
#else
#ifdef BUG_RULE
    run Rule();
#endif
    run Bob(); run Delegate(); run Giver(); run Carol(); run Gateway(); run Gateway(); run Policy(); run Clock()
#endif
#endif
  }
}
