/* The life of one grant with several uses: edit, votes, claims by two gateways, lost replies, a torn write,
 * leases, revocation with acknowledgement, a wall clock set back, a reboot.
 *
 * Ghosts (tt, trueEnd, told) know the truth and only stand in assertions. Each -DBUG_… seeds one fault of the
 * kind that DESIGN's invariants forbid; test/spin/run.sh shows that the model is clean and that every fault
 * is caught. -DPART_AWAIT: one waiter files its claim before the approval, so that it is made with the grant; it may leave at
 * any time, and what it says to phid may come late, twice or never. The transactions of core are the atomic blocks: that they are atomic is what the store promises. */
#define NEED 2      /* persons */
#ifdef PART_AWAIT
#define USES 1
#else
#define USES 2
#endif
#define TTL  2
#define LEASE0 3    /* longer than the right; the other one shorter */
#define LEASE1 1
#define TMAX 4
#define NONE 200

mtype = { PENDING, LIVE, EXPIRED, REVOKED };

/* ---- durable, at phid */
mtype st = PENDING;
bit digest = 0;
bool appr[3];
bit apprDigest[3];
byte used = 0;
byte leaves = 0;            /* claims in the log */
bool keyDone[4];            /* idempotency keys that were claimed */
byte gWall = NONE, gBoot = NONE; /* the right's end by either clock */
bool acked[2];
byte leaseAt[2];            /* phid's idea of each lease's end, by its steady clock */

/* ---- clocks */
byte wall = 3, boot = 0;
#ifdef BUG_HIGHWATER
byte hw = 3;
#define SAW hw = (wall > hw -> wall : hw)
#else
#define SAW skip
#endif
#ifdef PART_AWAIT
bool stepped = true, rebooted = true; /* the other part looks at clocks */
#else
bool stepped = false, rebooted = false;
#endif

/* ---- gateways */
bool told[2];               /* heard of the end */
byte leaseEnd[2];           /* its own idea of its lease's end, in true time: never later than phid's */

/* ---- ghosts */
byte tt = 0, trueEnd = NONE, effects = 0, keysUsed = 0;

#define LIVE_ST (st == LIVE)
#ifdef BUG_CLOCK
#define ENDED (wall >= gWall)
#else
#ifdef BUG_HIGHWATER
#define ENDED (hw >= gWall)         /* the highest clock seen does not go back, but it lags */
#else
#ifdef BUG_EXPIRY
#define ENDED (false)
#else
#define ENDED (wall >= gWall || boot >= gBoot)
#endif
#endif
#endif

/* A revocation is complete when each gateway has confirmed or its lease has ended. */
#ifdef BUG_REVOKE
#define REVOKE_DONE (st == REVOKED)
#else
#define REVOKE_DONE (st == REVOKED && (acked[0] || boot >= leaseAt[0]) && (acked[1] || boot >= leaseAt[1]))
#endif

#ifdef BUG_MUTATE
#define COUNTS(k) (appr[k])
#else
#define COUNTS(k) (appr[k] && apprDigest[k] == digest)
#endif
inline count(n) {
  n = 0;
  if :: COUNTS(0) -> n++ :: else fi;
  if :: COUNTS(1) -> n++ :: else fi;
  if :: COUNTS(2) -> n++ :: else fi
}

/* ---- a claim that is filed beforehand: key 0 */
#ifdef PART_AWAIT
bool sent, kept, tomb, over, gone, back; /* over: it has its outcome; back: a withdrawal was acknowledged */
#ifdef BUG_AWAIT_LATE
#define KEEPS true
#else
#define KEEPS (!tomb)
#endif
#ifdef BUG_AWAIT_TWICE
#define GIVES keyDone[0]
#else
#define GIVES (keyDone[0] && !over)
#endif
#define OVER(key) (key == 0 && over)
#define TRIES(g) (2 - g)
/* In the transaction in which the grant comes to be. */
#define CLAIM_WITH_GRANT \
  if \
  :: kept -> assert(!back); kept = false; used++; leaves++; keysUsed++; keyDone[0] = true \
  :: else \
  fi

proctype Filing() {         /* on its way since the waiter sent it */
  atomic { (sent && st == PENDING) -> if :: KEEPS -> kept = true :: else fi }
}

proctype Withdrawal() {     /* said again until phid has it: two of them */
  (gone);
  atomic {
    kept = false; tomb = true;
    if
    :: GIVES && st == LIVE -> used--; assert(used <= USES); over = true
    :: else -> if :: keyDone[0] -> over = true :: else fi
    fi;
    back = true }
}
#else
#define OVER(key) false
#define TRIES(g) (2 - g)
#define CLAIM_WITH_GRANT skip
#endif

/* A process that never takes its step stands for one who does nothing: runs end anywhere (pan -E). */
proctype Requester() {      /* may edit once while it is pending: votes are void then */
  atomic { (st == PENDING) ->
#ifdef BUG_LATE_EDIT
    skip } atomic {         /* looked, then wrote */
#endif
    digest = 1;
#ifndef BUG_MUTATE
    appr[0] = false; appr[1] = false; appr[2] = false;
#endif
  }
}

#ifdef BUG_SELF
#define NOT_SELF true
#else
#define NOT_SELF (who != 0)
#endif
#ifdef BUG_STALE
#define FRESH true
#else
#define FRESH (seen == digest)
#endif
proctype Approver(byte who) {   /* 0 is the requester's other account */
  bit seen; byte n = 0;
  seen = digest;                /* what was on the screen */
  atomic { (st == PENDING && NOT_SELF && FRESH) ->
    appr[who] = true; apprDigest[who] = digest; count(n);
    assert(seen == digest);     /* what was seen is what was voted on */
#ifdef BUG_DUP
    n++;                        /* one person counted twice */
#endif
    if
    :: n >= NEED ->
       st = LIVE; gWall = wall + TTL; gBoot = boot + TTL; trueEnd = tt + TTL;
       assert(appr[1] && appr[2] && !appr[0]);
       assert(apprDigest[1] == digest && apprDigest[2] == digest);
       CLAIM_WITH_GRANT
    :: else
    fi }
}

#ifdef BUG_RETRY
#define KNOWN(key) false
#else
#define KNOWN(key) (keyDone[key])
#endif
/* What is left, as the answer says it: milliseconds, never a point in time. */
#ifdef BUG_EXPIRY
#define LEFT TTL
#else
#ifdef BUG_CLOCK
#define LEFT (gWall > wall -> gWall - wall : 0)
#else
#ifdef BUG_HIGHWATER
#define LEFT (gWall > hw -> gWall - hw : 0)
#else
#define BY_WALL (gWall > wall -> gWall - wall : 0)
#define BY_BOOT (gBoot > boot -> gBoot - boot : 0)
#define LEFT (BY_WALL < BY_BOOT -> BY_WALL : BY_BOOT)
#endif
#endif
#endif

/* One transaction: the use, its key and its leaf. */
inline claim(key) {
  atomic {
    fresh = false;
    if
    :: KNOWN(key) -> ok = (LIVE_ST && !ENDED && !OVER(key)) /* the same answer, as long as it is true */
    :: else -> ok = (LIVE_ST && !ENDED && used < USES); fresh = ok
    fi;
#ifdef BUG_RACE
  }
  atomic {                                         /* read in one step, written in another */
#endif
    if
    :: fresh ->
       used++;
#ifndef BUG_AUDIT
#ifndef BUG_TORN
       leaves++;
#endif
#endif
       if :: !keyDone[key] -> keysUsed++ :: else fi;
       keyDone[key] = true
    :: else
    fi;
    rem = 0;
    if :: ok -> rem = LEFT :: else fi
  }
#ifdef BUG_TORN
  if :: fresh -> leaves++ :: fresh -> skip /* the power went between row and leaf */ :: else fi
#endif
}

#ifdef BUG_LEASE
#define LEASED(g) true
#else
#define LEASED(g) (tt < leaseEnd[g])
#endif
#ifdef BUG_DEAF
#define HEEDS(g) true
#else
#define HEEDS(g) (!told[g])
#endif

proctype Gateway(byte g) {
  bool ok = false, fresh = false; byte rem = 0, by = 0; byte c = 0;
  (st != PENDING);              /* a claim before is refused and changes nothing */
  do
  :: c < TRIES(g) ->            /* the first gateway tries twice, the second once */
     by = tt;                   /* time left counts from when the question was sent */
     claim(2 * g + c);
     if
     :: (g == 0 && c == 0 && ok) -> claim(2 * g + c) /* the reply was lost: asked again with the same key */
     :: true
     fi;
     if
     :: ok -> atomic {
          if
          :: (tt - by < rem && LEASED(g) && HEEDS(g)) ->
             effects++;
             assert(effects <= USES && used <= USES);
             assert(leaves >= effects);           /* the leaf is durable first */
             assert(used <= keysUsed);            /* one key spends one use */
             assert(effects <= used);             /* and what was forwarded stays spent */
             assert(tt < trueEnd);                /* by true time */
             assert(!REVOKE_DONE);                /* none after a confirmed revocation */
             assert(apprDigest[1] == digest && apprDigest[2] == digest)
          :: else
          fi;
          ok = false; fresh = false; rem = 0; by = 0 }
     :: else
     fi;
     c++
  :: else -> break
  od
}

#ifdef PART_AWAIT
#ifdef BUG_AWAIT_SENT
#define STAYED true
#else
#define STAYED (!gone)
#endif
/* The session, which leaves when it likes; the event and its gateway's ordinary claim. */
proctype Leaver() {
  gone = true
}

proctype Waiter() {
  bool ok = false, fresh = false; byte rem = 0, by = 0;
  sent = true;
  (st == LIVE && !gone);
  by = tt;
  claim(0);
  atomic {
    if
    :: (ok && STAYED && tt - by < rem && LEASED(0) && HEEDS(0)) ->
       effects++;
       assert(!over && keyDone[0]);
       assert(effects <= used && used <= USES && leaves >= effects);
       assert(tt < trueEnd);
       assert(!REVOKE_DONE);
       over = true           /* done: a withdrawal changes nothing any more */
    :: else -> gone = true
    fi }
}
#endif

proctype Listener(byte g) {     /* hears of the end, cuts, confirms; or its link is down */
  atomic { (st == REVOKED) -> told[g] = true; acked[g] = true }
}

proctype Admin() {
  atomic { (st == LIVE) -> st = REVOKED }
}

/* The timer commits both clocks every few seconds, so the last anchor is as good as now. What nobody can tell
 * is how long the machine was off if its clock comes up wrong but later than the anchor; that is outside. */
inline reanchor(since) {
  if
  :: st == LIVE ->
#ifdef BUG_REANCHOR
     left = (gWall > wall -> gWall - wall : 0);   /* by the wall clock alone, which may have been set back */
#else
     left = (gBoot > boot + since -> gBoot - boot - since : 0);
     left = (gWall > wall -> (gWall - wall < left -> gWall - wall : left) : 0);
#endif
     gBoot = left
  :: else
  fi
}

proctype Clock() {
  byte left;
  (st != PENDING);              /* what time it is matters from the grant on */
  do
  :: tt < TMAX -> atomic { tt++; wall++; boot++; SAW }
  :: !stepped && tt < TMAX -> atomic { stepped = true; wall = wall - 2 }   /* somebody sets the wall clock back */
  :: !rebooted && tt < TMAX -> atomic {       /* phid's machine is off for one unit */
       rebooted = true; tt++;
       if
       :: wall++; SAW; reanchor(1)
       :: wall--;                             /* the clock comes up before the anchor */
#ifdef BUG_REBOOT
          reanchor(0)                         /* the wall clock says that no time has passed */
#else
          if :: st == LIVE -> st = EXPIRED :: else fi
#endif
       fi;
       left = 0; boot = 0;
       leaseAt[0] = LEASE0; leaseAt[1] = LEASE1 /* a lease may be as young as the reboot */ }
  :: tt >= TMAX -> break
  od;
  atomic { if :: st == PENDING || st == LIVE -> st = EXPIRED :: else fi }
}

init {
  atomic {
    leaseAt[0] = LEASE0; leaseEnd[0] = LEASE0;
    leaseAt[1] = LEASE1; leaseEnd[1] = LEASE1;
#ifdef PART_AWAIT
    run Waiter(); run Leaver(); run Withdrawal(); run Withdrawal(); run Filing();
    run Gateway(1); run Listener(0); run Admin(); run Clock(); run Approver(1); run Approver(2)
#else
    /* spin looks first at those that are named last: the votes, so that most faults are found soon */
    run Gateway(0); run Gateway(1); run Listener(0); run Admin(); run Clock();
    run Approver(1); run Approver(2);
#ifdef BUG_SELF
    run Approver(0);
#endif
    run Requester()
#endif
  }
}
