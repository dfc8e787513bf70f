-- The standard API: access requests, idempotency of callers.
DELETE FROM idem WHERE 1 = 0;
