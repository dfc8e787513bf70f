-- What is known at that moment: baselines for risk, quiet hours, quotas.
DELETE FROM idem WHERE 1 = 0;
