-- A small customer database as it looks after three imports and two web shops. `sql_steward` cleans it up.

CREATE TABLE countries (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    country TEXT NOT NULL,      -- should be a code of `countries`; nothing enforces it
    since TEXT NOT NULL
);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    item TEXT NOT NULL,
    cents INTEGER NOT NULL,
    ordered_on TEXT NOT NULL
);

INSERT INTO countries (code, name) VALUES
    ('AT', 'Austria'),
    ('DE', 'Germany'),
    ('DK', 'Denmark'),
    ('FR', 'France'),
    ('GB', 'United Kingdom');

INSERT INTO customers (id, name, email, country, since) VALUES
    (1, 'Ann Meyer', 'ann.meyer@example.com', 'DE', '2023-02-11'),
    (2, 'Jürgen Köhler', 'juergen.koehler@example.org', 'Deutschland', '2023-03-02'),
    (3, 'Bob Tanaka', 'bob@example.com', 'GB', '2023-05-19'),
    (4, 'Camille Roux', ' camille@example.org', 'France', '2023-06-30'),
    (5, 'Lars Holm', 'lars.holm@example.net', 'DK', '2023-08-08'),
    (6, 'Ann Meyer', 'Ann.Meyer@Example.com ', 'germany', '2024-01-15'),
    (7, 'Eva Gruber', 'eva@example.org', 'Österreich', '2024-02-27'),
    (8, 'Tom Hughes', 'TOM.HUGHES@example.com', 'UK', '2024-04-03'),
    (9, 'Sofie Lund', 'sofie@example.net', 'denmark', '2024-05-21'),
    (10, 'Priya Raman', 'priya@example.com', 'GB', '2024-07-09'),
    (11, 'Lars Holm', 'lars.holm@example.net', 'Danmark', '2024-09-17'),
    (12, 'Mia Schulz', 'mia.schulz@example.com', 'DE', '2024-11-25'),
    (13, 'Paul Weber', '  paul.weber@example.com', 'Germany', '2025-01-31'),
    (14, 'Léa Martin', 'lea.martin@example.org', 'FR', '2025-03-14'),
    (15, 'Max Bauer', 'max.bauer@example.org', 'AT', '2025-06-06');

INSERT INTO orders (id, customer_id, item, cents, ordered_on) VALUES
    (2071, 1, 'Desk lamp Vega', 12900, '2026-08-02'),
    (2074, 2, 'Pendant Polaris', 8990, '2026-08-19'),
    (2075, 3, 'Pendant Polaris', 8990, '2026-08-20'),
    (2078, 5, 'Wall lamp Nova', 6450, '2026-08-30'),
    (2080, 6, 'Reading lamp Lyra', 14900, '2026-09-04'),
    (2081, 7, 'Dimmer', 3900, '2026-09-05'),
    (2084, 8, 'Floor lamp Atlas', 24900, '2026-09-16'),
    (2085, 10, 'Pendant Polaris', 8990, '2026-09-21'),
    (2086, 11, 'Textile cable, 3 m', 1250, '2026-09-28'),
    (2088, 12, 'Desk lamp Vega', 12900, '2026-10-03'),
    (2090, 97, 'Wall lamp Nova', 6450, '2026-10-11'),   -- there is no customer 97
    (2091, 13, 'Dimmer', 3900, '2026-10-12'),
    (2092, 14, 'Pendant Polaris', 8990, '2026-10-20'),
    (2093, 1, 'Reading lamp Lyra, brass, 2 pcs', 29800, '2026-10-27'),
    (2094, 98, 'Dimmer', 3900, '2026-11-02'),           -- nor a customer 98
    (2095, 15, 'Floor lamp Atlas', 24900, '2026-11-05');
