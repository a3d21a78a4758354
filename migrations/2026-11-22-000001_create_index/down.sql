DROP TABLE items;
DROP TABLE turns;
DROP TABLE threads;
