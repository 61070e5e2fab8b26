import jsonata from 'jsonata'
import type { LambdaNode } from './mapping-syntax.ts'

type Validate = (parameters: readonly unknown[], context: unknown) => unknown[]

/** Whether a parameter is as its function wants it, so that nothing has to be made of it. */
export type Check = (parameter: unknown) => boolean

/** Nothing is taken for everything but a function. */
export const any: Check = () => true
export const text: Check = (value) => value === undefined || typeof value === 'string'
export const number: Check = (value) => value === undefined || typeof value === 'number'
export const scalar: Check = (value) => text(value) || typeof value === 'number' || typeof value === 'boolean'
export const func: Check = (value) => typeof value === 'function'
export const textOrFunc: Check = (value) => text(value) || func(value)
export const list: Check = (value) => value === undefined || Array.isArray(value)
export const texts: Check = (value) =>
  value === undefined || (Array.isArray(value) && value.every((item) => typeof item === 'string'))
export const objects: Check = (value) =>
  value === undefined || (Array.isArray(value) && value.every(isPlainObject))

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The parameters of a built-in function, completed by its signature (`<s-nn?:s>`): the context value for what is not
 * given, one value as an array. `checks` say when there is nothing to do, which is nearly always; the first `least`
 * parameters have to be there for it. The rest is left to jsonata, whose parser gives such a validator to any function
 * that is written with a signature.
 */
export function parametersOf(signature: string, least: number, checks: readonly Check[]): Validate {
  let validate: Validate | undefined
  return (parameters, context) => {
    const { length } = parameters
    if (length >= least && length <= checks.length && parameters.every((value, at) => checks[at]?.(value))) {
      return parameters as unknown[]
    }
    validate ??= validatorOf(signature)
    return validate(parameters, context)
  }
}

function validatorOf(text: string): Validate {
  const { signature } = jsonata(`function()${text}{0}`).ast() as unknown as LambdaNode
  return (parameters, context) => signature?.validate(parameters, context) ?? [...parameters]
}
