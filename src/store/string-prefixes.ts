/** Letters of a string that are looked for at once; what goes beyond is compared on the opened resource. */
const longestPrefix = 12
const shortestPrefix = 2

/**
 * A string as it is compared: case, accents and punctuation do not count (https://hl7.org/fhir/R4/search.html#string).
 */
export function normalized(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[\p{P}\p{Z}\s]+/gu, ' ')
    .trim()
}

/** The beginnings of 2 to 12 letters under which a string is found (F6); a shorter one under itself. */
export function prefixesOf(text: string): string[] {
  const letters = [...normalized(text)]
  if (letters.length === 0) return []
  const lengths = Array.from({ length: longestPrefix - shortestPrefix + 1 }, (_, n) => n + shortestPrefix)
  return [...new Set(lengths.map((length) => letters.slice(0, length).join('')))]
}

/** The beginning to look for; undefined for one letter or none, which would find half of everybody. */
export function searchedPrefix(text: string): { prefix: string; whole: boolean } | undefined {
  const letters = [...normalized(text)]
  if (letters.length < shortestPrefix) return undefined
  return { prefix: letters.slice(0, longestPrefix).join(''), whole: letters.length <= longestPrefix }
}
