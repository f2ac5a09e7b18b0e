package repository

const MaxSearches = maxSearches
