-- The log: witnesses, key rotation, origins.
DELETE FROM idem WHERE 1 = 0;
