from broken.circle import graph

other = graph
