-- The demo's target: a small shop, owned by the one role that the gateway signs in with. Fixed seeds, so every copy is alike.
CREATE TABLE customers (
    id         integer PRIMARY KEY,
    name       text NOT NULL,
    email      text NOT NULL UNIQUE,
    city       text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE orders (
    id          integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    item        text NOT NULL,
    amount      numeric(10,2) NOT NULL CHECK (amount >= 0),
    status      text NOT NULL CHECK (status IN ('open', 'paid', 'shipped', 'returned')),
    created_at  timestamptz NOT NULL
);

INSERT INTO customers
SELECT n,
       (ARRAY['Ada','Ben','Chloe','Dev','Elif','Farid','Grace','Hugo','Ines','Jonas'])[1 + n % 10] || ' ' ||
       (ARRAY['Abbott','Berg','Castro','Diaz','Eriksen','Fischer','Gomez'])[1 + n % 7],
       'customer' || n || '@shop.example',
       (ARRAY['Lisbon','Oslo','Porto','Vienna','Quito'])[1 + n % 5],
       timestamptz '2025-01-01 00:00:00+00' + n * interval '7 hours'
FROM generate_series(1, 500) AS n;

INSERT INTO orders
SELECT n,
       1 + (n * 7919) % 500,
       (ARRAY['kettle','lamp','notebook','backpack','mug','chair'])[1 + n % 6],
       (1000 + (n * 104729) % 90000) / 100.0,
       (ARRAY['open','paid','shipped','shipped','returned'])[1 + n % 5],
       timestamptz '2025-06-01 00:00:00+00' + n * interval '13 minutes'
FROM generate_series(1, 10000) AS n;

CREATE INDEX orders_customer_id ON orders (customer_id);
