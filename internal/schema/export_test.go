package schema

// Objects lists what the database has, for the test that writes and checks objects.txt.
var Objects = objects
