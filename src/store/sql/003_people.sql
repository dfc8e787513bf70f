-- People: identity providers, passkeys, sessions, tokens, services.
DELETE FROM idem WHERE 1 = 0;
