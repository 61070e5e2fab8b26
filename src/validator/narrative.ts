/**
 * What may stand in a narrative (https://hl7.org/fhir/R4/narrative.html#rules, txt-1 and txt-2): basic formatting of XHTML,
 * nothing active, nothing that is fetched from elsewhere by itself, and some content.
 */
const elements = new Set(
  `a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img
  li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var`.split(/\s+/),
)

const attributes = new Set(
  `abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset cite
  class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel rev
  rowspan rules scope shape span src start style summary tabindex title type valign value vspace width xml:lang
  xml:space xmlns`.split(/\s+/),
)

/** Attributes whose value is an address. */
const addresses = new Set(['href', 'src', 'cite', 'longdesc'])
const active = /^\s*(?:javascript|vbscript)\s*:/i
/** https://www.w3.org/TR/xhtml1/dtds.html#h-A2 are known by name; which of them hardly matters. */
const strayAmpersand = /&(?!(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});)/

const piece =
  /<!--([\s\S]*?)-->|<(\/?)([A-Za-z][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y
const attribute = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g

/** What is wrong with a narrative, for people and without its content; undefined when nothing is. */
export function narrativeFault(text: string): string | undefined {
  const open: string[] = []
  let content = false
  let closed = false
  piece.lastIndex = 0
  while (piece.lastIndex < text.length) {
    const match = piece.exec(text)
    if (!match) return malformed
    const [, comment, closing, name = '', given = '', single, words] = match
    if (comment !== undefined) continue
    if (words !== undefined) {
      if (strayAmpersand.test(words)) return 'An & must begin an entity such as &amp; (txt-1).'
      const blank = words.trim() === ''
      if (!blank && open.length === 0) return malformed
      // Blanks are kept in <pre>, and so are something there.
      content ||= !blank || open.includes('pre')
      continue
    }
    if (closing) {
      if (open.pop() !== name || given || single) return malformed
      closed ||= open.length === 0
      continue
    }
    if (closed) return malformed
    const fault = tagFault(name, given, open.length === 0)
    if (fault) return fault
    if (name === 'img') content = true
    if (!single) open.push(name)
    else if (open.length === 0) closed = true
  }
  if (open.length > 0 || !closed) return malformed
  return content ? undefined : emptyNarrative
}

/** What is wrong with a narrative in which there is nothing to read. */
export const emptyNarrative = 'A narrative must have some content: text or an image (txt-2).'

const malformed = 'A narrative must be one well-formed XHTML <div> with nothing around it (txt-1).'

function tagFault(name: string, given: string, outermost: boolean): string | undefined {
  if (outermost && name !== 'div') return malformed
  if (!elements.has(name)) {
    return 'A narrative may hold basic formatting, tables, links and images only; leave other elements out (txt-1).'
  }
  let namespace = false
  for (const [, attributeName = '', double, quoted] of given.matchAll(attribute)) {
    const value = double ?? quoted ?? ''
    if (!attributes.has(attributeName))
      return 'A narrative may hold formatting attributes only, no events or others; leave them out (txt-1).'
    if (addresses.has(attributeName) && active.test(value))
      return 'A link in a narrative must be an address, no script (txt-1).'
    if (attributeName === 'xmlns') {
      namespace = true
      if (value !== 'http://www.w3.org/1999/xhtml') return wrongNamespace
    }
  }
  return outermost && !namespace ? wrongNamespace : undefined
}

const wrongNamespace =
  'The <div> of a narrative must be in the namespace http://www.w3.org/1999/xhtml: give it as xmlns (txt-1).'
