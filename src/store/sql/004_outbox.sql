-- Telling people: outbox, channels, dead letters.
DELETE FROM idem WHERE 1 = 0;
